"""What passed on the wire: recorded exchanges and the grammar of Anthropic's event stream."""
