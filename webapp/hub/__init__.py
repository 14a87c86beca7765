"""Palaver and the Hugging Face Hub: signing in, keeping chats there, publishing a Space."""
