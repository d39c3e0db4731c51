"""Models of timm, diffusers and MONAI for `benchmarks/models.py`, made where these are installed; weights are random.

timm imports torchvision, whose compiled operators none of these models needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from benchmarks.model_classes import PATCHES, Entry


def timm_vit() -> nn.Module:
    """A small ViT of timm."""
    return _of_timm("vit_tiny_patch16_224")


def timm_convnext() -> nn.Module:
    """The smallest ConvNeXt of timm."""
    return _of_timm("convnext_atto")


def timm_resnet() -> nn.Module:
    """ResNet-18 of timm: shortcuts are 1x1 convolutions with a stride."""
    return _of_timm("resnet18")


def _of_timm(name: str) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(name)
    return model


def diffusion_autoencoder() -> nn.Module:
    """A narrow AutoencoderKL of diffusers, as Stable Diffusion's images go through."""
    from diffusers import AutoencoderKL

    model: nn.Module = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(32, 64),
        norm_num_groups=8,
    )
    return model


def monai_unet() -> nn.Module:
    """A U-Net of MONAI for volumes, with transposed convolutions."""
    from monai.networks.nets import UNet

    model: nn.Module = UNet(3, in_channels=1, out_channels=2, channels=(16, 32, 64), strides=(2, 2))
    return model


def monai_unetr() -> nn.Module:
    """UNETR of MONAI: a ViT on patches of volumes, and a decoder of transposed convolutions that tile."""
    from monai.networks.nets import UNETR

    model: nn.Module = UNETR(1, 2, (32, 64, 64), feature_size=16, hidden_size=192, mlp_dim=384, num_heads=4)
    return model


PACKAGES: Mapping[str, Entry] = {
    "ViT (timm)": Entry(timm_vit, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "ConvNeXt (timm)": Entry(timm_convnext, ("1,3,224,224",), PATCHES, "the stem and three downsamplers"),
    "ResNet-18 (timm)": Entry(timm_resnet, ("1,3,224,224",), PATCHES, "three shortcuts of 1x1 with a stride"),
    "AutoencoderKL (diffusers)": Entry(
        diffusion_autoencoder, ("1,3,64,64",), PATCHES, "two shortcuts of 1x1, the 1x1s between encoder and decoder"
    ),
    "U-Net (MONAI)": Entry(monai_unet, ("1,1,32,32,32",), PATCHES, "nothing: its transposed convolutions overlap"),
    "UNETR (MONAI)": Entry(
        monai_unetr, ("1,1,32,64,64",), PATCHES, "the Conv3d patch embedding, transposed convolutions that tile, 1x1s"
    ),
}
