//! Failures that vendors and gateways report in their own ways, and secrets in them.
