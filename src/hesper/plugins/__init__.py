"""What connects Hesper with other libraries, one module for each."""
