//! Tests of the pace of a model's time: it passes, it can be skipped, and it ends at the same moment.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use planrun::clock::{Clock, Pace};
use tokio::runtime::{Builder, Runtime};

const HOUR: Duration = Duration::from_hours(1);

fn paced(times: f64) -> (Clock, Arc<Pace>, Timestamp) {
    let start: Timestamp = "2026-12-01T03:00:00Z".parse().unwrap();
    let pace = Arc::new(Pace::new(times, start));
    (Clock::paced(start, Arc::clone(&pace)), pace, start)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn time_at_a_pace_ends_at_the_same_moment_as_time_that_jumps() {
    let (clock, _, start) = paced(1_000_000.0);
    let woke = runtime().block_on(clock.run(async {
        clock.sleep(HOUR).await;
        let first = clock.now();
        clock.sleep(Duration::from_millis(1)).await;
        (first, clock.now())
    }));
    assert_eq!(woke, (start + HOUR, start + HOUR + Duration::from_millis(1)));
}

#[test]
fn time_passes_between_two_moments_and_can_be_read_from_another_thread() {
    let (clock, pace, start) = paced(1_000.0);
    let reader = std::thread::spawn(move || {
        let mut seen: Vec<Timestamp> = Vec::new();
        while seen.len() < 10 {
            seen.extend(pace.now().filter(|now| seen.last() != Some(now)));
        }
        pace.skip();
        seen
    });
    let sleep = clock.run(clock.sleep(HOUR));
    let ticks = async {
        // A skip is noticed when the run is polled, as by each look for requests.
        loop {
            Clock::Real.sleep(Duration::from_millis(20)).await;
        }
    };
    runtime().block_on(async {
        tokio::pin!(sleep, ticks);
        std::future::poll_fn(|context| {
            let _never = ticks.as_mut().poll(context);
            sleep.as_mut().poll(context)
        })
        .await;
    });
    let seen = reader.join().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen[0] >= start && *seen.last().unwrap() <= start + HOUR, "{seen:?}");
    assert_eq!(clock.now(), start + HOUR);
}
