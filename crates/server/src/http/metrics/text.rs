//! The Prometheus text format, version 0.0.4.
//!
//! The library writes OpenMetrics, in which counters must be called `…_total`. Metrics under other
//! servers' names would not be valid there: certstream-server-rust's counters have no such ending,
//! certstream-server-go's gauges have it. In the older format both are, and every Prometheus reads it.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// The media type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A text under construction.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// Appends everything that is registered.
    ///
    /// # Errors
    /// If a metric cannot be written, which would be a defect of the metric.
    pub(crate) fn registry(&mut self, registry: &Registry) -> fmt::Result {
        let mut open_metrics = String::new();
        encode_registry(&mut open_metrics, registry)?;
        let mut help = None;
        for line in open_metrics.lines() {
            if let Some(of) = line.strip_prefix("# HELP ") {
                help = of.split_once(' ');
            } else if let Some((name, kind)) = type_of(line) {
                // OpenMetrics names the family here, this format the samples.
                let total = if kind == "counter" { "_total" } else { "" };
                if let Some((_, help)) = help.filter(|(of, _)| *of == name) {
                    writeln!(self.0, "# HELP {name}{total} {}", help.trim_end_matches('.'))?;
                }
                writeln!(self.0, "# TYPE {name}{total} {kind}")?;
            } else if !line.starts_with('#') {
                writeln!(self.0, "{line}")?;
            }
        }
        Ok(())
    }

    /// Begins a metric; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Appends a sample of the metric begun last.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.0.push_str(name);
        for (position, (label, text)) in labels.iter().enumerate() {
            self.0.push(if position == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escaped(text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _infallible = writeln!(self.0, " {value}");
    }

    fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }

    /// Appends the samples of the metric `own` again under the name `theirs`; zero where there are none.
    pub(crate) fn again(&mut self, own: &str, theirs: &str, kind: Kind, help: &str) {
        let of_own = |line: &str| {
            let rest = line.strip_prefix(own)?;
            rest.starts_with(['{', ' ']).then(|| format!("{theirs}{rest}\n"))
        };
        let samples: String = self.0.lines().filter_map(of_own).collect();
        self.family(theirs, kind, help);
        if samples.is_empty() {
            self.sample(theirs, &[], 0);
        }
        self.0.push_str(&samples);
    }

    /// The text.
    #[must_use]
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

fn type_of(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn registered_metrics_are_written_under_the_names_of_their_samples() {
        let mut registry = Registry::with_prefix("x");
        let counter: Counter = Counter::default();
        counter.inc_by(3);
        registry.register("errors", "What failed", counter.clone());
        registry.register_with_unit("sent", "What was sent", Unit::Bytes, counter);
        registry.register("open", "What is open", Gauge::<i64>::default());
        let mut text = Exposition::default();
        text.registry(&registry).expect("can be written");
        let expected = "# HELP x_errors_total What failed\n\
                        # TYPE x_errors_total counter\n\
                        x_errors_total 3\n\
                        # HELP x_sent_bytes_total What was sent\n\
                        # TYPE x_sent_bytes_total counter\n\
                        x_sent_bytes_total 3\n\
                        # HELP x_open What is open\n\
                        # TYPE x_open gauge\n\
                        x_open 0\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn samples_can_be_repeated_under_another_name() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "Help");
        text.sample("a_total", &[("b", "c")], 1);
        text.sample("a_total", &[("b", "d")], 2);
        text.sample("a_total_else", &[], 3);
        text.again("a_total", "a", Kind::Counter, "Again");
        text.again("z_total", "z", Kind::Counter, "Never");
        let text = text.into_text();
        let expected = "# HELP a Again\n# TYPE a counter\na{b=\"c\"} 1\na{b=\"d\"} 2\n\
                        # HELP z Never\n# TYPE z counter\nz 0\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn labels_are_escaped_and_keep_their_order() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Gauge, "Help");
        text.sample("a_total", &[("url", "b\"\\\n"), ("operator", "é")], 1.5);
        text.sample("a_total", &[], 2);
        let expected = "# HELP a_total Help\n\
                        # TYPE a_total gauge\n\
                        a_total{url=\"b\\\"\\\\\\n\",operator=\"é\"} 1.5\n\
                        a_total 2\n";
        assert_eq!(text.into_text(), expected);
    }
}
