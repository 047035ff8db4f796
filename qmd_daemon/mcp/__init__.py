"""The program as tools for AI agents (Model Context Protocol): on stdin and stdout, and at `POST /mcp`."""
