"""The extractor: letters, mails and bills become facts."""
