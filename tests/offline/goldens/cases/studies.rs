//! Two studies that have every kind of stage between them, with all that they leave.

use super::Table;

pub const CASES: Table = &[
    ("pairs-dry-run", "study run study.toml --dry-run"),
    ("pairs", "study run study.toml"),
    ("pairs-again", "study run study.toml --quiet"),
    ("reference", "study reference"),
    ("schema", "study reference --json"),
    ("pairs-status", "study status study.toml"),
    ("pairs-status-json", "study status study.toml --json"),
    ("pairs-report", "study report study.toml"),
    ("pairs-verify", "verify runs/pairs --quiet"),
    ("claims", "verify runs/pairs --claims claims.txt"),
    ("classes-register", "study register classes.toml"),
    ("classes", "study run classes.toml"),
    ("classes-status", "study status classes.toml"),
    ("classes-verify", "verify runs/classes --quiet"),
];
