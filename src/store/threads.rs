//! Many questions to the file system, several of them at once: on a network each takes its time.

use std::any::Any;
use std::iter::repeat_with;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, Scope, available_parallelism};
use std::time::{Duration, Instant};

/// How long whoever asks does it alone. A few answers are there by then, sooner than a thread begins.
pub(crate) const ALONE: Duration = Duration::from_micros(300);
/// Threads at most.
const MOST_THREADS: usize = 32;
/// How long each of so many threads asks before there are twice as many.
const PATIENCE: Duration = Duration::from_millis(5);

/// What one thread was told: the places of the questions, and the answers; or why it panicked.
type Told<R> = Result<Vec<(usize, R)>, Box<dyn Any + Send>>;

/// Asks the same of each, in as many threads as there are cores, and in more and more of them if that takes long: then the time is not
/// that of the cores. The answers come in the order of the questions. Blocks.
pub(crate) fn ask_each<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let since = Instant::now();
    let alone = items.iter().take_while(|_| since.elapsed() < ALONE);
    let mut answers: Vec<R> = alone.map(&ask).collect();
    let rest = &items[answers.len()..];
    if !rest.is_empty() {
        answers.extend(ask_in_threads(rest, ask));
    }
    answers
}

/// The same without a try alone.
pub(crate) fn ask_in_threads<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| ask_within(scope, items, &ask))
}

fn ask_within<'scope, T: Sync, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    items: &'scope [T],
    ask: &'scope (impl Fn(&T) -> R + Sync),
) -> Vec<R> {
    let next = Arc::new(AtomicUsize::new(0));
    let (sender, told) = mpsc::channel();
    let begin = |sender: Sender<Told<R>>| {
        let (next, end) = (Arc::clone(&next), Arc::clone(&next));
        let taken = move || {
            let places = repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            places.map_while(|place| Some((place, ask(items.get(place)?)))).collect()
        };
        let tell = move || {
            let told = catch_unwind(AssertUnwindSafe(taken));
            if told.is_err() {
                // The others need not go on.
                end.store(items.len(), Ordering::Relaxed);
            }
            // Nobody stops to listen before all threads have told.
            let _ = sender.send(told);
        };
        thread::Builder::new().spawn_scoped(scope, tell).is_ok()
    };
    let mut answers: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let (mut threads, mut ended) = (0, 0);
    let mut more = available_parallelism().map_or(1, Into::into);
    loop {
        let left = items.len().saturating_sub(next.load(Ordering::Relaxed));
        let begun = (0..more.min(left).min(MOST_THREADS - threads)).filter(|_| begin(sender.clone()));
        threads += begun.count();
        if threads == 0 {
            // The system gives no threads.
            return items.iter().map(ask).collect();
        }
        more = match told.recv_timeout(PATIENCE) {
            Ok(told) => {
                let told = told.unwrap_or_else(|panic| resume_unwind(panic));
                told.into_iter().for_each(|(place, answer)| answers[place] = Some(answer));
                ended += 1;
                0
            }
            Err(RecvTimeoutError::Timeout) => threads,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if ended == threads {
            break;
        }
    }
    answers.into_iter().map(|answer| answer.expect("each was taken by a thread that has told")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let items: Vec<usize> = (0..500).collect();
        assert_eq!(ask_each(&items, |item| item + 1), (1..501).collect::<Vec<_>>());
        assert!(ask_each(&[], |item: &usize| item + 1).is_empty());
        // As on a network, one at a time would take a second.
        let since = Instant::now();
        let slow = |item: &usize| {
            thread::sleep(Duration::from_millis(2));
            item * 2
        };
        assert_eq!(ask_each(&items, slow), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(since.elapsed() < Duration::from_millis(700), "{:?}", since.elapsed());
    }

    #[test]
    fn a_panic_goes_to_whoever_asks() {
        let items: Vec<usize> = (0..100).collect();
        let fails = |item: &usize| {
            thread::sleep(Duration::from_millis(1));
            assert!(*item != 70, "seventy");
        };
        let panic = catch_unwind(AssertUnwindSafe(|| ask_each(&items, fails))).expect_err("it fails");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"seventy"));
    }
}
