//! Owns file descriptors: serial, evdev, TCP and TLS, GPIO, sysfs, udev, clocks and timers.

pub mod attached;
pub mod certificate;
pub mod clock;
pub mod device_path;
pub mod evdev;
pub mod gpio;
pub mod inventory;
pub mod link_watch;
pub mod probe;
pub mod repair;
pub mod serial;
pub mod tcp;
pub mod ticks;
mod tls;
pub mod udev;
pub mod usb;
mod watch;
