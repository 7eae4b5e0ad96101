//! The metrics of the program itself: its background tasks and its log output.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use supervise::Supervisor;

/// The background tasks, by name.
#[derive(Debug)]
pub(super) struct Tasks(pub(super) Supervisor);

impl Collector for Tasks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let tasks = self.0.tasks();
        let help = "Panics of background tasks, by task";
        let mut panics =
            encoder.encode_descriptor("task_panics", help, None, MetricType::Counter)?;
        for task in &tasks {
            let count = ConstCounter::new(task.panics);
            count.encode(panics.encode_family(&[("task", task.name)])?)?;
        }
        let help = "Background tasks that have panicked and wait to be restarted, by task";
        let mut down = encoder.encode_descriptor("tasks_down", help, None, MetricType::Gauge)?;
        for task in &tasks {
            let level = ConstGauge::new(i64::try_from(task.down).unwrap_or(i64::MAX));
            level.encode(down.encode_family(&[("task", task.name)])?)?;
        }
        Ok(())
    }
}

/// The log lines of this program.
#[derive(Debug)]
pub(super) struct LogOutput;

impl Collector for LogOutput {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Lines of the server's own log that could not be written to standard error";
        let lost: MetricEncoder<'_> =
            encoder.encode_descriptor("log_lines_lost", help, None, MetricType::Counter)?;
        ConstCounter::new(logging::lost()).encode(lost)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;

    use prometheus_client::registry::Registry;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panicked_counts_as_down_until_it_restarts() {
        let tasks = Supervisor::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Tasks(tasks.clone())));
        let shows = |line: &str| {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
            assert!(text.contains(line), "{line} in\n{text}");
        };
        let mut starts = 0;
        let mut run = pin!(tasks.run("log_list", || {
            starts += 1;
            let is_first = starts == 1;
            async move { assert!(!is_first, "a defect") }
        }));
        tokio::select! {
            biased;
            () = &mut run => panic!("it waits before it starts again"),
            () = ready(()) => {}
        }
        shows("tasks_down{task=\"log_list\"} 1\n");
        shows("task_panics_total{task=\"log_list\"} 1\n");
        run.await;
        shows("tasks_down{task=\"log_list\"} 0\n");
    }
}
