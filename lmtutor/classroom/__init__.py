"""What a teacher uses: lesson plans, hand-outs, marks."""
