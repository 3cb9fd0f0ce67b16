"""What must hold for every wire format (`test_laws`), and what each part of each format becomes (the other files)."""
