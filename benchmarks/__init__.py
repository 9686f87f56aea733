"""kapp's speed budgets, one program a budget; see README.md."""
