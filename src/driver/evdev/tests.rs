//! What can be shown without an input device. The rest runs in a virtual machine: `tests/rig/evdev-vm.sh`.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A driver on a directory of its own, and what it told.
struct Bench {
    directory: TempDir,
    commands: mpsc::Sender<KeypadCommand>,
    told: mpsc::UnboundedReceiver<KeypadDeviceEvent>,
    driver: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn start(choice: impl Fn(&Path) -> Choice) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            choice: choice(directory.path()),
            devices: directory.path().into(),
            udev: directory.path().join("udev"),
            ..Settings::default()
        };
        let (commands, receiver) = mpsc::channel(4);
        let (tell, told) = mpsc::unbounded_channel();
        let driver = tokio::spawn(run(settings, receiver, move |event| drop(tell.send(event))));
        Self { directory, commands, told, driver }
    }

    async fn closed(&mut self) -> EvdevError {
        let event = tokio::time::timeout(Duration::from_secs(10), self.told.recv()).await;
        match event.expect("told in time").expect("still running") {
            KeypadDeviceEvent::Closed { why } => why,
            KeypadDeviceEvent::Opened { .. } | KeypadDeviceEvent::Key { .. } | KeypadDeviceEvent::SynDropped { .. } => {
                panic!("a device was found where there is none")
            }
        }
    }

    async fn stop(self) {
        drop(self.commands);
        tokio::time::timeout(Duration::from_secs(10), self.driver).await.expect("ends").unwrap();
    }
}

#[tokio::test]
async fn a_configured_device_is_waited_for_even_where_its_directory_is_not_there_yet() {
    let path = |directory: &Path| directory.join("by-id/pad-event-kbd");
    let mut bench = Bench::start(|directory| Choice::Path(path(directory)));
    let pad = path(bench.directory.path());
    assert_eq!(bench.closed().await, EvdevError::Missing(pad.clone()));

    fs::create_dir(pad.parent().unwrap()).unwrap();
    fs::write(&pad, "").unwrap();
    assert_eq!(bench.closed().await, EvdevError::NotAKeypad(pad.clone()));

    fs::remove_dir_all(pad.parent().unwrap()).unwrap();
    assert_eq!(bench.closed().await, EvdevError::Missing(pad));
    bench.stop().await;
}

#[tokio::test]
async fn without_a_keypad_the_directory_is_named() {
    let mut bench = Bench::start(|directory| {
        fs::write(directory.join("event0"), "no device").unwrap();
        fs::write(directory.join("mice"), "").unwrap();
        Choice::Auto { keyboards: true }
    });
    assert_eq!(bench.closed().await, EvdevError::NoneFound(bench.directory.path().into()));
    bench.stop().await;
}

#[tokio::test]
async fn a_command_makes_it_look_again_and_the_same_reason_is_not_told_twice() {
    let mut bench = Bench::start(|directory| Choice::Path(directory.join("pad")));
    bench.closed().await;
    for _ in 0..3 {
        bench.commands.send(KeypadCommand::Reopen).await.unwrap();
    }
    drop(bench.commands);
    // The driver takes the commands one by one, looks each time, then ends; its channel ends with it.
    let rest = tokio::time::timeout(Duration::from_secs(10), bench.told.recv()).await;
    assert!(rest.expect("ends").is_none(), "the same reason was told again");
}

#[test]
fn pauses_double_up_to_the_longest() {
    let mut pauses =
        Pauses { next: Duration::from_secs(1), first: Duration::from_secs(1), most: Duration::from_secs(5) };
    let taken: Vec<u64> = (0..5).map(|_| pauses.next().as_secs()).collect();
    assert_eq!(taken, [1, 2, 4, 5, 5]);
    pauses.reset();
    assert_eq!(pauses.next().as_secs(), 1);
}

#[test]
fn that_an_unplugged_keypad_is_missing_is_no_news() {
    let path = PathBuf::from("/dev/input/pad");
    let unplugged = EvdevError::Unplugged(path.clone());
    assert!(unplugged.is_news_after(None));
    assert!(!EvdevError::Missing(path.clone()).is_news_after(Some(&unplugged)));
    assert!(EvdevError::Busy(path.clone()).is_news_after(Some(&unplugged)));
    assert!(!EvdevError::Busy(path.clone()).is_news_after(Some(&EvdevError::Busy(path))));
}

#[test]
fn operating_system_errors_get_their_names() {
    let path = Path::new("/dev/input/pad");
    let named = |errno: Errno| EvdevError::new(path, errno.into());
    assert_eq!(named(Errno::EBUSY), EvdevError::Busy(path.into()));
    assert_eq!(named(Errno::EACCES), EvdevError::Denied(path.into()));
    assert_eq!(named(Errno::ENODEV), EvdevError::Unplugged(path.into()));
    assert_eq!(named(Errno::ENOENT), EvdevError::Missing(path.into()));
    assert_eq!(named(Errno::EIO), EvdevError::Io { path: path.into(), source: Errno::EIO });
}

#[test]
fn udev_properties_are_read_from_its_records() {
    let udev = tempfile::tempdir().unwrap();
    fs::write(udev.path().join("c1:3"), "S:null\nI:1\nE:ID_INPUT_KEY=1\nE:NAME=a=b\n").unwrap();
    let property = |name| udev::property(udev.path(), Path::new("/dev/null"), name);
    assert_eq!(property("ID_INPUT_KEY").as_deref(), Some("1"));
    assert_eq!(property("NAME").as_deref(), Some("a=b"));
    assert_eq!(property("ID_INPUT"), None);
    assert_eq!(udev::property(udev.path(), Path::new("/dev/zero"), "NAME"), None);
}

#[test]
fn keys_are_known_by_their_kernel_names() {
    assert_eq!(key_code("KEY_KPSLASH"), Some(98));
    assert_eq!(key_code("KEY_OK"), Some(0x160));
    assert_eq!(key_code("kpslash"), None);
    let names = key_names();
    assert!(names.len() > 400 && names.iter().any(|name| name == "KEY_NUMERIC_POUND"), "{}", names.len());
}
