"""What is written from the API's document: the client's code, and the page docs/api.md."""
