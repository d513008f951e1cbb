//! Lines on their way to the writer: bounded, in order, and without a wake-up for each.
//!
//! Owns: what waits, and when the writer is woken. A writer that is woken by every line takes the processor from the
//! thread that logs, in the middle of a payment: four lines held a card's answer up by 90 µs. So it is woken once, lets
//! lines gather, and takes them all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(2);
/// How often a flush looks, a millisecond apart.
const FLUSH_LOOKS: u32 = 200;

struct Waiting<T> {
    lines: VecDeque<T>,
    lost: u64,
    /// The writer has taken some and has not come back yet.
    writing: bool,
}

pub(super) struct Queue<T> {
    room: usize,
    waiting: Mutex<Waiting<T>>,
    writer: OnceLock<Thread>,
    writer_sleeps: AtomicBool,
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            waiting: Mutex::new(Waiting { lines: VecDeque::new(), lost: 0, writing: false }),
            writer: OnceLock::new(),
            writer_sleeps: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // Nothing is left half done under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits for the writer; what does not fit is counted.
    pub(super) fn put(&self, line: T) {
        {
            let mut waiting = self.lock();
            if waiting.lines.len() < self.room {
                waiting.lines.push_back(line);
            } else {
                waiting.lost += 1;
            }
        }
        if self.writer_sleeps.swap(false, Ordering::SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// For the one writer: waits for lines, at most so long; gives all there are, and how many were lost.
    pub(super) fn take(&self, within: Option<Duration>) -> (VecDeque<T>, u64) {
        self.writer.get_or_init(thread::current);
        loop {
            if let Some(taken) = self.take_now() {
                return taken;
            }
            self.writer_sleeps.store(true, Ordering::SeqCst);
            // A line may have come before its sender could see that.
            if let Some(taken) = self.take_now() {
                self.writer_sleeps.store(false, Ordering::SeqCst);
                return taken;
            }
            while self.writer_sleeps.load(Ordering::SeqCst) {
                let Some(within) = within else {
                    thread::park();
                    continue;
                };
                thread::park_timeout(within);
                // Whether time is over or somebody called: the writer looks at both.
                if self.writer_sleeps.swap(false, Ordering::SeqCst) {
                    return self.take_now().unwrap_or_default();
                }
            }
            thread::park_timeout(GATHER);
        }
    }

    fn take_now(&self) -> Option<(VecDeque<T>, u64)> {
        let mut waiting = self.lock();
        waiting.writing = !waiting.lines.is_empty() || waiting.lost > 0;
        waiting.writing.then(|| (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.lost)))
    }

    /// Waits until everything is written, but not for ever: the journal may be blocked.
    pub(super) fn flush(&self) {
        for _ in 0..FLUSH_LOOKS {
            {
                let waiting = self.lock();
                if waiting.lines.is_empty() && !waiting.writing {
                    return;
                }
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn lines_of_many_threads_all_arrive_each_threads_in_order() {
        let queue = Arc::new(Queue::new(10_000));
        let (tell, told) = mpsc::channel();
        let writer = Arc::clone(&queue);
        thread::spawn(move || while writer.take(None).0.into_iter().all(|line| tell.send(line).is_ok()) {});
        let senders = [0, 1, 2].map(|sender| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..1_000).for_each(|number| queue.put((sender, number))))
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let mut next = [0; 3];
        for _ in 0..3_000 {
            let (sender, number): (usize, u32) = told.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(number, next[sender]);
            next[sender] += 1;
        }
    }

    #[test]
    fn a_writer_that_hangs_costs_lines_and_never_the_sender() {
        let queue = Queue::new(3);
        (0..10).for_each(|number| queue.put(number));
        assert_eq!(queue.take(None), (VecDeque::from([0, 1, 2]), 7));
    }

    #[test]
    fn a_writer_that_has_something_to_say_itself_does_not_sleep_for_ever() {
        let queue = Queue::<u8>::new(3);
        assert_eq!(queue.take(Some(Duration::from_millis(1))), (VecDeque::new(), 0));
        queue.put(7);
        assert_eq!(queue.take(Some(Duration::from_secs(600))).0, [7]);
    }

    #[test]
    fn a_sleeping_writer_is_woken_and_a_flush_waits_for_what_it_writes() {
        let queue = Arc::new(Queue::new(10));
        let (written, writer) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&queue));
        let paper = Arc::clone(&written);
        thread::spawn(move || {
            loop {
                let lines = writer.take(None).0;
                paper.lock().unwrap().extend(lines);
            }
        });
        for number in 0..20 {
            queue.put(number);
            queue.flush();
            assert_eq!(written.lock().unwrap().last(), Some(&number));
        }
    }
}
