"""The Kappfile language: text in, `Result` out, no effect on the engine."""
