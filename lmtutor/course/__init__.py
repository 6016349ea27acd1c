"""What runs the course outside its notebooks: the command line, the doctor, the headless execution."""
