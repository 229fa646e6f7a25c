"""Plain HTTP for programs: docs/http.md."""
