"""What holds for every rewrite and every case that is drawn."""
