"""Named ways to break the wire between the recorder and the proxy, each as a real bug did."""
