//! Program text, line by line.

/// Lines with their depth.
#[derive(Debug, Default)]
pub(super) struct IndentedLines {
    lines: Vec<(usize, String)>,
    depth: usize,
}

impl IndentedLines {
    /// Adds a line.
    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push((self.depth, line.into()));
    }

    /// Adds a line that opens a block.
    pub fn open(&mut self, line: impl Into<String>) {
        self.line(line);
        self.depth += 1;
    }

    /// Closes the innermost block.
    pub fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Adds the lines of another text at this depth.
    pub fn append(&mut self, other: Self) {
        self.lines.extend(other.lines.into_iter().map(|(d, l)| (d + self.depth, l)));
    }

    /// Lines under a condition, or as they are without one.
    pub fn under(&mut self, condition: Option<&str>, body: impl FnOnce(&mut Self)) {
        if let Some(c) = condition {
            self.open(format!("if {c}:"));
        }
        body(self);
        if condition.is_some() {
            self.close();
        }
    }

    /// The source as Python, indented by a space a level.
    pub fn source(&self) -> String {
        let mut out = String::new();
        for (depth, line) in &self.lines {
            out.extend(std::iter::repeat_n(' ', *depth));
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// A number as Python writes it.
pub(super) fn float(v: f64) -> String {
    if v.is_finite() { format!("{v:?}") } else { format!("float(\"{v}\")") }
}

/// Text as Python writes it, in ASCII.
pub(super) fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_text_are_pythons() {
        assert_eq!([1.0, -2.5e-8, 1e300].map(float), ["1.0", "-2.5e-8", "1e300"]);
        assert_eq!(float(f64::NEG_INFINITY), "float(\"-inf\")");
        assert_eq!(quoted("a\"\\é\u{2028}"), "\"a\\\"\\\\\\U000000e9\\U00002028\"");
    }
}
