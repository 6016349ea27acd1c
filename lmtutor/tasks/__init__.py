"""One module a task: pretraining, fine-tuning, tagging, extraction, answering, summaries, chatting."""
