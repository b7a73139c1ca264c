"""What the bridge is compared with: small servers without its features, each a process of its own."""
