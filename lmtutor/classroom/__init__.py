"""What a teacher uses: lesson plans."""
