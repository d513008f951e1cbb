//! The devices as they are configured, in the running daemon.
//!
//! Proves: keys mean what `[keypad.keys]` says.

#[path = "common/rig.rs"]
mod rig;

use rig::{PIN, Rig, Setup};

#[test]
fn keys_mean_what_the_configuration_says() {
    let keypad_config = "[keypad.keys]\nKEY_KPPLUS = \"ok\"\nKEY_KPENTER = \"none\"".to_owned();
    let setup = Setup { keypad_config, ..Setup::default() };
    let Some(rig) = Rig::ready("keys_mean_what_the_configuration_says", setup) else { return };
    let sale = rig.begin_sale("128.00", "order-1");
    sale.wait_prompt("present-card");
    rig.reader_order("card in");
    sale.wait_prompt("enter-pin");
    // Enter is no key any more: with it the PIN would end two digits too early.
    rig.keypad_order(&format!("type {} enter {} plus", &PIN[..4], &PIN[4..]));
    let result = sale.result();
    assert_eq!(result["outcome"], "approved", "{result}\n{}", rig.log());
}
