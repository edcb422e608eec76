//! Tests of the concurrency limiter, in paused time.

use super::*;

const OPEN: QueueSettings = QueueSettings { cap: 100, local: false, probed: false };

fn at(position: u32) -> Priority {
    Priority { position, cell: 0 }
}

/// Failures after which the next call waits for no time.
const AT_ONCE: Setback = Setback { first_wait: Duration::ZERO, longest_wait: Duration::ZERO, requested: None };

async fn acquire(limiter: &Arc<ConcurrencyLimiter>, queue: ModelQueue, position: u32) -> Result<Permit, ModelError> {
    limiter.acquire(queue, at(position), Demand::default()).await
}

/// Returns true if a call has to wait.
async fn waits(call: &mut (impl Future<Output = Result<Permit, ModelError>> + Unpin)) -> bool {
    tokio::time::timeout(Duration::from_millis(1), call).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_begin_in_run_order() {
    let limiter = ConcurrencyLimiter::new(1);
    let queue = limiter.add_queue(OPEN);
    let held = acquire(&limiter, queue, 0).await.expect("free");
    let mut late = Box::pin(acquire(&limiter, queue, 9));
    let mut early = Box::pin(acquire(&limiter, queue, 3));
    assert!(waits(&mut late).await && waits(&mut early).await);
    drop(held);
    let second = early.await.expect("its turn");
    assert!(waits(&mut late).await);
    drop(second);
    late.await.expect("its turn");
}

#[tokio::test(start_paused = true)]
async fn each_model_has_its_own_limit() {
    let limiter = ConcurrencyLimiter::new(3);
    let narrow = limiter.add_queue(QueueSettings { cap: 1, ..OPEN });
    let wide = limiter.add_queue(OPEN);
    let _held = acquire(&limiter, narrow, 0).await.expect("free");
    let mut second = Box::pin(acquire(&limiter, narrow, 1));
    assert!(waits(&mut second).await);
    let _one = acquire(&limiter, wide, 2).await.expect("free");
    let _other = acquire(&limiter, wide, 3).await.expect("free");
    assert!(waits(&mut Box::pin(acquire(&limiter, wide, 4))).await, "three in total");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_returns_its_permit() {
    let limiter = ConcurrencyLimiter::new(1);
    let queue = limiter.add_queue(OPEN);
    let held = acquire(&limiter, queue, 0).await.expect("free");
    let mut gone = Box::pin(acquire(&limiter, queue, 1));
    assert!(waits(&mut gone).await);
    drop(gone);
    let mut next = Box::pin(acquire(&limiter, queue, 2));
    assert!(waits(&mut next).await);
    drop(held);
    next.await.expect("the permit of the dropped caller");
}

#[tokio::test(start_paused = true)]
async fn local_models_take_turns_by_priority() {
    let limiter = ConcurrencyLimiter::new(9);
    let [small, large] = [(); 2].map(|()| limiter.add_queue(QueueSettings { cap: 2, local: true, probed: false }));
    let one = acquire(&limiter, small, 0).await.expect("free");
    let two = acquire(&limiter, small, 5).await.expect("two of the same model");
    let mut other = Box::pin(acquire(&limiter, large, 6));
    assert!(waits(&mut other).await);
    drop(one);
    let mut third = Box::pin(acquire(&limiter, small, 7));
    assert!(waits(&mut third).await, "the other model's call comes first");
    drop(two);
    let held = other.await.expect("its turn");
    assert!(waits(&mut third).await);
    drop(held);
    third.await.expect("its turn");
}

#[tokio::test(start_paused = true)]
async fn the_probe_runs_alone_and_overload_halves_the_window() {
    let limiter = ConcurrencyLimiter::new(100);
    let queue = limiter.add_queue(QueueSettings { cap: 8, local: false, probed: true });
    let probe = acquire(&limiter, queue, 0).await.expect("free");
    assert!(waits(&mut Box::pin(acquire(&limiter, queue, 1))).await, "until the first has come back");
    probe.answered(Usage { output: 7, ..Usage::default() });
    assert_eq!(limiter.load(queue), QueueLoad { in_flight: 0, answered: Usage { output: 7, ..Usage::default() } });
    let mut permits = Vec::new();
    for position in 0..8 {
        permits.push(acquire(&limiter, queue, position).await.expect("all eight"));
    }
    // All eight report the same overload, which halves the window once.
    permits.drain(..).for_each(|permit| {
        let _ = permit.failed(&AT_ONCE);
    });
    for position in 0..4 {
        permits.push(acquire(&limiter, queue, position).await.expect("four"));
    }
    assert!(waits(&mut Box::pin(acquire(&limiter, queue, 9))).await);
    permits.drain(..).for_each(|permit| permit.answered(Usage::default()));
    for position in 0..5 {
        permits.push(acquire(&limiter, queue, position).await.expect("one more after a round"));
    }
    assert!(waits(&mut Box::pin(acquire(&limiter, queue, 9))).await);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_after_its_duration() {
    let limiter = ConcurrencyLimiter::new(1);
    let queue = limiter.add_queue(OPEN);
    limiter.pause(queue, 0, Duration::from_secs(3));
    let started = Instant::now();
    let _held = acquire(&limiter, queue, 0).await.expect("after the pause");
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_after_a_stop() {
    let limiter = ConcurrencyLimiter::new(1);
    let queue = limiter.add_queue(OPEN);
    let held = acquire(&limiter, queue, 0).await.expect("free");
    let mut waiting = Box::pin(acquire(&limiter, queue, 1));
    assert!(waits(&mut waiting).await);
    limiter.stop();
    assert!(matches!(waiting.await, Err(ModelError::Stopped)));
    assert!(matches!(limiter.unless_stopped(std::future::pending::<()>()).await, Err(ModelError::Stopped)));
    drop(held);
    assert!(matches!(acquire(&limiter, queue, 2).await, Err(ModelError::Stopped)));
}
