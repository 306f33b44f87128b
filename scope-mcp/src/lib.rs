//! MCP (Model Context Protocol) over stdio, on scopes: the connection has one owner.
