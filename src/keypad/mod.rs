//! Keypad machines, sans-IO: keymap, amount confirmation, PIN and number entry. Must not know: evdev, reader, host.
