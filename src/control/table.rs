//! Lines of fields as a table.

use std::fmt;

use super::answer::Answer;

/// Columns are as wide as the widest field; numbers stand at the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    has_heading: bool,
    rows: Vec<Answer>,
}

impl Table {
    /// One without rows, with a heading or not.
    pub(crate) fn new(has_heading: bool) -> Self {
        Self { has_heading, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Answer) {
        self.rows.push(row);
    }

    /// The fields' names, as the first row has them.
    fn heading(&self) -> Answer {
        let names = self.rows.first().map_or(&[][..], |row| &row.0).iter();
        Answer(names.map(|(name, _)| (name.clone(), name.clone())).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = Some(self.heading()).filter(|_| self.has_heading && !self.rows.is_empty());
        let rows: Vec<&Answer> = heading.iter().chain(&self.rows).collect();
        let columns = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
        let fields = |column: usize| rows.iter().filter_map(move |row| Some(&row.0.get(column)?.1));
        let widths: Vec<usize> =
            (0..columns).map(|column| fields(column).map(|field| field.chars().count()).max().unwrap_or(0)).collect();
        for row in &rows {
            let padded = |(index, (_, field)): (usize, &(String, String))| match field.parse::<i64>() {
                Ok(_) => format!("{field:>width$}", width = widths[index]),
                Err(_) => format!("{field:width$}", width = widths[index]),
            };
            let line: Vec<String> = row.0.iter().enumerate().map(padded).collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Line;
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(true);
        for line in ["=name=log\tstate=running\tbytes=4096", "=name=terminal\tstate=dead\tbytes=12"] {
            if let Line::Data(row) = Line::parse(line) {
                table.add(row);
            }
        }
        let expected = "name      state    bytes\nlog       running   4096\nterminal  dead        12\n";
        assert_eq!(table.to_string(), expected);
        table.has_heading = false;
        assert!(table.to_string().starts_with("log "));
        assert_eq!(Table::new(true).to_string(), "");
    }
}
