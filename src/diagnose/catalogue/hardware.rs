//! H: card reader, keypad, display, tamper input.

use super::{CARD_NOT_NOW, SCAN_NOT_NOW, WAIT, entries};
use crate::diagnose::text::Text;

entries! {
    H01 0x91eb93c8f57745d790869fc14583b3a6 Cashier
        title      "读卡器断开" "the card reader is gone"
        evidence   "读卡器的串口不存在或读写返回断开" "the reader's serial port is not there, or reading it says hung up"
        action     "等待，一插上就自动重开" "waits and opens it as soon as it is back"
        remedy     "插紧读卡器的数据线" "plug the card reader in"
        cashier    "请把读卡器的线插紧，几秒后自动恢复" "push the card reader's plug in; it recovers within seconds"
        technician "看 ls /dev/serial/by-id 和 dmesg；检查线、供电和 udev 规则" "ls /dev/serial/by-id and dmesg; check cable, power and udev rules"
        customer   CARD_NOT_NOW;

    H02 0x8f098b34606f4833b5931c7829932ed0 Technician
        title      "读卡器无响应" "the card reader is silent"
        evidence   "串口在，但命令没有应答" "the port is there, but commands time out"
        action     "依次唤醒、重开串口、拉复位线、断电重启，之后间隔1至30秒再试" "wakes it, reopens the port, pulls the reset line, switches its power, then rests 1 to 30 s and begins again"
        remedy     "检查电源，再运行 posctl reader reset" "check its power, then: posctl reader reset"
        cashier    "请拔下读卡器，等五秒再插上" "pull the card reader's plug, wait five seconds, plug it in again"
        technician "核对 reader.path 是否真是读卡器、波特率、供电；可接复位线或 power_cycle" "check that reader.path is the reader, its rate and power; wire reset_line or set power_cycle"
        customer   CARD_NOT_NOW;

    H03 0x680c089be54747ec8a3805feac974c9f Technician
        title      "读卡器线路干扰或波特率错误" "the line to the card reader is noisy"
        evidence   "最近32次交换中有6次以上帧损坏或要重发" "6 or more of the last 32 exchanges met a damaged frame or a repeat"
        action     "重新同步并重发，必要时降回115200" "resynchronises and repeats, and goes back to 115200 where needed"
        remedy     "检查或更换读卡器的线" "check or replace the card reader's cable"
        cashier    "还可以收款；请通知技术人员" "payments still work; tell the technician"
        technician "缩短或换线，远离电源线；把 reader.baud_max 降低" "a shorter or better cable away from power lines; lower reader.baud_max"
        customer   WAIT;

    H04 0x799be5f7f3154e11aa29bcc6f49d4a61 Technician
        title      "读卡头脏或老化" "cards are often not readable"
        evidence   "最近的刷卡中读卡失败的比例高于平常" "more of the last cards than usual could not be read"
        action     "提示重新挥卡，并记录维护通知" "asks for the card again and raises a notice"
        remedy     "清洁读卡器，移开金属物；仍不行则更换" "clean the reader and keep metal away from it; else replace it"
        cashier    "请擦净读卡区，移开旁边的金属和手机" "wipe the reader and move metal and phones away from it"
        technician "查看失败次数的趋势；检查天线位置，更换读卡器" "look at the trend of failures; check where the antenna sits; replace the reader"
        customer   Text::new("请把卡平放在读卡区，听到提示再移开", "hold the card flat on the reader until the signal");

    H05 0x076753dd927c4f4ab47fee32b54d47a1 Cashier
        title      "键盘断开" "the keypad is gone"
        evidence   "键盘的输入设备不存在" "the keypad's input device is not there"
        action     "等待，一插上就自动重开；不用密码的付款照常" "waits and opens it as soon as it is back; payments without a PIN go on"
        remedy     "重新插接键盘" "plug the keypad in"
        cashier    "请把键盘重新插好" "plug the keypad in again"
        technician "看 ls /dev/input/by-id；检查 keypad.path 和 udev 规则" "ls /dev/input/by-id; check keypad.path and udev rules"
        customer   Text::new("暂时不能输密码，请用免密方式或稍候", "no PIN can be entered just now; please pay without one or wait");

    H06 0xc9ad5dbe36e7486b927129e3641a206f Technician
        title      "按键卡住" "a key of the keypad is stuck"
        evidence   "一个键按下的时间超过限度" "a key has been down for longer than the limit"
        action     "不理会该键；该键松开前不接受密码输入" "ignores that key; takes no PIN until it is up"
        remedy     "松开按键；反复出现则更换键盘" "free the key; replace the keypad if it comes back"
        cashier    "请看看有没有键按住不起，轻轻拨起" "look for a key that stays down and lift it"
        technician "看日志里的通知；清洁或更换键盘" "see the notices in the journal; clean or replace the keypad"
        customer   Text::new("暂时不能输密码，请用免密方式或稍候", "no PIN can be entered just now; please pay without one or wait");

    H07 0x72e752f6a9c14d459b64d2bd022d5437 Technician
        title      "按键抖动" "a key of the keypad bounces"
        evidence   "按下和松开之间短于限度的次数过多" "too many presses were shorter than a finger can make them"
        action     "过滤抖动，不算操作员的错，并记录通知" "filters them, never counts them as the person's mistake, and raises a notice"
        remedy     "清洁或更换键盘" "clean or replace the keypad"
        cashier    "可以继续用；请通知技术人员" "it can be used; tell the technician"
        technician "更换键盘，以免误按增多" "replace the keypad before it gets worse"
        customer   Text::new("请稳稳地按每个键", "press each key firmly");

    H08 0x5fb58d47d7224781ac62336a439563b4 Technician
        title      "显示屏故障" "the display fails"
        evidence   "写显示屏失败" "a write to the display fails"
        action     "提示照样发到D-Bus，由收银软件显示" "the prompts stay on D-Bus, where the app shows them"
        remedy     "检查显示屏的连接线" "check the display's cable"
        cashier    "请看收银软件上的提示" "follow the prompts of the app"
        technician "检查I2C地址、供电和线" "check the I2C address, power and cable"
        customer   Text::new("请按收银员的提示操作", "please follow the cashier's words");

    H09 0x220e58e2854648808b299eb73a164bf9 Support
        title      "设备被拆动" "the terminal was opened"
        evidence   "防拆输入有效" "the tamper input is active"
        action     "立即擦除主密钥和工作密钥，记录并停止收款；未上送的交易保留，重新灌装密钥后上送" "erases the master key and the working keys at once, records it and takes no payment; what is unsent is kept and sent once new keys are loaded"
        remedy     "停用终端并返厂；检查后重新灌装主密钥" "take the terminal out of use and send it in; after a check load a new master key"
        cashier    "不要再用这台终端，请报告主管" "do not use this terminal any more; tell your supervisor"
        technician "不要重置；返厂检查并重新灌装密钥" "do not reset it; send it in, and have its keys loaded anew"
        customer   CARD_NOT_NOW;

    H10 0x3d1c7f52a0e94b8f8a6be2c45d907f13 Cashier
        title      "扫码枪断开" "the code scanner is gone"
        evidence   "扫码枪的串口不存在或读写返回断开" "the scanner's serial port is not there, or reading it says hung up"
        action     "等待，一插上就自动重开；刷卡不受影响" "waits and opens it as soon as it is back; cards work as ever"
        remedy     "插紧扫码枪的数据线" "plug the code scanner in"
        cashier    "请把扫码枪的线插紧；操作员可以用密码签到" "push the scanner's plug in; operators can sign in by password"
        technician "用 posctl devices 查看它在哪个口；检查 scanner.path、线和供电" "check scanner.path, cable and power; what is plugged in where: posctl devices"
        customer   SCAN_NOT_NOW;

    H11 0x8e25b6d90c714f3e97a1540be6d2c8a7 Technician
        title      "扫码枪无响应" "the code scanner is silent"
        evidence   "串口在，但心跳命令没有应答" "the port is there, but heartbeats are not answered"
        action     "间隔1至30秒重开串口再问；刷卡不受影响" "reopens the port and asks again every 1 to 30 s; cards work as ever"
        remedy     "检查扫码枪的供电；再运行 posctl scanner reset" "check its power, then: posctl scanner reset"
        cashier    "请拔下扫码枪，等五秒再插上；操作员可以用密码签到" "pull the scanner's plug, wait five seconds, plug it in; operators can sign in by password"
        technician "核对 scanner.path 是否真是扫码枪、scanner.baud；不认 GM65 命令的设 scanner.kind = \"line\"" "check that scanner.path is the scanner, and scanner.baud; one without GM65 commands wants scanner.kind = \"line\""
        customer   SCAN_NOT_NOW;
}
