"""How lab-mini is made: data generation, tokenizer, training, evaluation and GGUF export."""
