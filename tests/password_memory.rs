//! What it proves: the memory of a password hash goes back to the system. Alone in its file, so that no other test's
//! memory is counted.

use smartpos::app::password;
use smartpos::domain::secret::SecretBytes;

/// Anonymous memory of this process, in KiB.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_memory_of_a_password_hash_goes_back_to_the_system() {
    let secret = SecretBytes::new(b"271828".to_vec());
    // As in the daemon: on a thread of its own, several times, since allocators keep what is asked for again.
    let kept = std::thread::spawn(move || {
        let before = anonymous();
        let hash = password::hash(&secret).unwrap();
        for _ in 0..3 {
            assert!(password::matches(&secret, &hash));
        }
        anonymous().saturating_sub(before)
    });
    let kept = kept.join().unwrap();
    assert!(kept < 1024, "{kept} KiB are still held");
}
