//! What a measure has found: rows of figures, as a table for people and as JSON for whoever wants
//! the raw values.
//!
//! A row is a contestant or a size; a figure is a sample with its unit. Prints medians with their
//! spread, and ratios to a base; never a verdict. A row that was wrong says so.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::sample::Sample;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Whole things.
    Count,
    /// Whole things a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Bytes.
    Bytes,
    /// How many times something else.
    Times,
    /// A share of 1, shown in percent.
    Share,
}

/// A sample, what it is of, and its unit.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What is measured; the head of its column.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// Its values.
    pub sample: Sample,
}

/// The figures of one contestant or size.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who or what.
    pub name: String,
    /// What was found.
    pub figures: Vec<Figure>,
    /// What is to be known of it besides; an answer that was wrong, above all.
    pub remarks: Vec<String>,
}

/// All rows of a measure.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names the file.
    pub measure: &'static str,
    /// What was measured, in a sentence.
    pub title: String,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

impl Row {
    /// A row without figures.
    pub fn new(name: impl Into<String>) -> Row {
        Row {
            name: name.into(),
            figures: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Adds a figure; one without a value is left out.
    pub fn figure(
        &mut self,
        name: &str,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
    ) -> &mut Row {
        if let Some(sample) = Sample::new(values) {
            self.figures.push(Figure {
                name: name.to_string(),
                unit,
                sample,
            });
        }
        self
    }

    /// Adds the values and remarks of another run of the same.
    pub fn add(&mut self, later: Row) {
        for figure in later.figures {
            let before = self.sample(&figure.name);
            let before = before.map(|sample| sample.values().to_vec());
            let values = before.into_iter().flatten();
            let values: Vec<f64> = values.chain(figure.sample.values().to_vec()).collect();
            self.figures.retain(|old| old.name != figure.name);
            self.figure(&figure.name, figure.unit, values);
        }
        for remark in later.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    /// A figure by its name.
    pub fn sample(&self, name: &str) -> Option<&Sample> {
        let found = self.figures.iter().find(|figure| figure.name == name);
        found.map(|figure| &figure.sample)
    }
}

impl Report {
    /// A report without rows.
    pub fn new(measure: &'static str, title: impl Into<String>) -> Report {
        Report {
            measure,
            title: title.into(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A row by its name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Adds to every row a figure's ratio to that of one row.
    pub fn ratios(&mut self, figure: &str, base: &str, head: &str) {
        let base = self.row(base).and_then(|row| row.sample(figure)).cloned();
        let Some(base) = base else { return };
        for row in &mut self.rows {
            let ratio = row
                .sample(figure)
                .and_then(|sample| sample.ratio_to(&base))
                .map(|ratio| ratio.values().to_vec());
            row.figure(head, Unit::Times, ratio.unwrap_or_default());
        }
    }

    /// The raw values.
    pub fn json(&self, machine: Value) -> Value {
        let rows = self.rows.iter().map(|row| {
            let figures: Map<String, Value> = row
                .figures
                .iter()
                .map(|figure| {
                    let values = figure.sample.values();
                    let unit = format!("{:?}", figure.unit).to_lowercase();
                    (figure.name.clone(), json!({"unit": unit, "values": values}))
                })
                .collect();
            json!({"name": row.name, "figures": figures, "remarks": row.remarks})
        });
        json!({
            "measure": self.measure,
            "title": self.title,
            "machine": machine,
            "rows": rows.collect::<Vec<Value>>(),
            "notes": self.notes,
        })
    }

    /// The heads of all columns, in the order in which rows first have them.
    fn heads(&self) -> Vec<&str> {
        let mut heads = Vec::new();
        for figure in self.rows.iter().flat_map(|row| &row.figures) {
            if !heads.contains(&figure.name.as_str()) {
                heads.push(&figure.name);
            }
        }
        heads
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}: {}", self.measure, self.title)?;
        let heads = self.heads();
        let mut lines = vec![
            std::iter::once("")
                .chain(heads.iter().copied())
                .map(str::to_string)
                .collect::<Vec<String>>(),
        ];
        for row in &self.rows {
            let cells = heads.iter().map(|head| {
                let figure = row.figures.iter().find(|figure| figure.name == *head);
                figure.map_or_else(String::new, cell)
            });
            lines.push(std::iter::once(row.name.clone()).chain(cells).collect());
        }
        let widths: Vec<usize> = (0..=heads.len())
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        for line in &lines {
            write!(f, "  {:<1$}", line[0], widths[0])?;
            for (cell, width) in line.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        let remarks = self
            .rows
            .iter()
            .flat_map(|row| row.remarks.iter().map(|said| (row.name.as_str(), said)));
        for (name, said) in remarks {
            writeln!(f, "  {name}: {said}")?;
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "  {note}"))
    }
}

/// The median, and the spread where there was more than one run, in one unit.
fn cell(figure: &Figure) -> String {
    let sample = &figure.sample;
    let (scale, unit) = scale(sample.median(), figure.unit);
    let median = digits(sample.median() / scale);
    if sample.values().len() == 1 {
        return format!("{median}{unit}");
    }
    let least = digits(sample.least() / scale);
    let most = digits(sample.most() / scale);
    format!("{median} ({least}..{most}){unit}")
}

/// What values of about this size are divided by, and what then follows them.
fn scale(value: f64, unit: Unit) -> (f64, &'static str) {
    let many = value.abs();
    match unit {
        Unit::Count if many >= 1e6 => (1e6, " M"),
        Unit::Count if many >= 1e4 => (1e3, " k"),
        Unit::Count => (1.0, ""),
        Unit::PerSecond if many >= 1e6 => (1e6, " M/s"),
        Unit::PerSecond if many >= 1e4 => (1e3, " k/s"),
        Unit::PerSecond => (1.0, "/s"),
        Unit::Seconds => (1.0, " s"),
        Unit::Millis => (1.0, " ms"),
        Unit::Micros => (1.0, " µs"),
        Unit::Bytes if many >= 1e9 => (1e9, " GB"),
        Unit::Bytes if many >= 1e6 => (1e6, " MB"),
        Unit::Bytes if many >= 1e4 => (1e3, " kB"),
        Unit::Bytes => (1.0, " B"),
        Unit::Times => (1.0, " x"),
        Unit::Share => (0.01, " %"),
    }
}

/// Three of them, or all that are before the point.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        whole if whole >= 100.0 => format!("{value:.0}"),
        tens if tens >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_spread_ratios_and_what_went_wrong() {
        let mut report = Report::new("rate", "votes a second");
        for (name, rates) in [("loop", [1e6, 2e6, 1.5e6]), ("-w 1", [2e6, 4e6, 3e6])] {
            let mut row = Row::new(name);
            row.figure("votes", Unit::PerSecond, rates);
            report.rows.push(row);
        }
        report.rows[1].remarks.push("wrong in 1 of 3".to_string());
        report.ratios("votes", "loop", "of loop");
        let page = report.to_string();
        for part in [
            "1.50 (1.00..2.00) M/s",
            "2.00 (2.00..2.00) x",
            "-w 1: wrong in 1 of 3",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        let json = report.json(Value::Null);
        assert_eq!(json["rows"][0]["figures"]["votes"]["values"][1], 2e6);
    }

    #[test]
    fn values_have_units_and_few_digits() {
        for (value, unit, text) in [
            (1_234_567.0, Unit::PerSecond, "1.23 M/s"),
            (650.0, Unit::Count, "650"),
            (3.217, Unit::Seconds, "3.22 s"),
            (412_000_000.0, Unit::Bytes, "412 MB"),
            (61.54, Unit::Bytes, "61.5 B"),
            (0.0123, Unit::Share, "1.23 %"),
            (0.0, Unit::Millis, "0 ms"),
        ] {
            let mut row = Row::new("");
            row.figure("it", unit, [value]);
            assert_eq!(cell(&row.figures[0]), text);
        }
    }
}
