//! O: operators, transaction codes, the way a card is held.

use super::{WAIT, entries};
use crate::diagnose::text::Text;

entries! {
    O01 0xf77b463c4e7249fda3dde01e3592eeb0 Cashier
        title      "操作员密码或操作员码错误" "wrong operator number, password or code"
        evidence   "密码或扫的操作员码与存储的不符，证据里有剩余次数" "the password or scanned code does not match; the evidence says how many tries are left"
        action     "每错一次等待加倍；5次后操作员锁定，主管等15分钟" "waits twice as long after each; after 5 an operator is locked, a supervisor waits 15 min"
        remedy     "重新输入；忘记了或码已作废请主管重设" "enter it again, or let a supervisor set a new one; a code that has ended is issued anew"
        cashier    "请慢慢重新输入；还剩几次见提示" "enter it again, slowly; the message says how many tries are left"
        technician "主管运行 posctl operator set 操作员号，或 posctl operator code new 操作员号" "a supervisor runs: posctl operator set ID, or posctl operator code new ID"
        customer   WAIT;

    O02 0x4ae297a3b1f342908b7545e8e90466a2 Supervisor
        title      "操作员已锁" "the operator is locked out"
        evidence   "密码或操作员码连续错误5次" "5 wrong passwords or codes in a row"
        action     "锁定到主管解锁为止" "stays locked until a supervisor unlocks"
        remedy     "主管运行：posctl operator unlock 操作员号" "a supervisor runs: posctl operator unlock ID"
        cashier    "请主管解锁" "ask a supervisor to unlock you"
        technician "不要改数据库；主管签到后解锁" "leave the database alone; a supervisor signs in and unlocks"
        customer   WAIT;

    O03 0x02e46bf9e2464df687bfce8bc5302b9c Cashier
        title      "请操作员签到" "no operator is signed in"
        evidence   "配置要求操作员签到，而现在没有人" "operators are required and none is signed in"
        action     "拒绝新的付款，等待签到" "refuses new payments and waits for a sign-in"
        remedy     "运行 posctl operator sign-in 操作员号，或在键盘上签到" "posctl operator sign-in ID, or at the keypad"
        cashier    "请用您的操作员号和密码签到" "sign in with your operator number and password"
        technician "不需要操作员的店可设 operator_required = false" "where no operators are wanted: operator_required = false"
        customer   WAIT;

    O04 0x6b07c69ff97c4fd898511fd43afafded Cashier
        title      "交易码不存在或校验错" "unknown transaction code, or its check digit is wrong"
        evidence   "没有这个交易码的交易，或校验位不对" "no payment has this code, or its check digit is wrong"
        action     "不做任何事，不猜测是哪一笔" "does nothing, and does not guess which one was meant"
        remedy     "对照凭条重新输入；posctl transactions 可查最近的交易" "read the code again from the receipt; posctl transactions shows the last ones"
        cashier    "请对照凭条重新输入或扫码" "type the code again from the receipt, or scan it"
        technician "posctl transactions --all 列出所有用户的交易" "posctl transactions --all lists those of every user"
        customer   WAIT;

    O05 0x426f41e093ac486384ad60eddd5f3b5d Cashier
        title      "卡移开过早或有两张卡" "card removed too early, or two cards"
        evidence   "读卡中途卡离开，或场内有两张卡" "the card left while it was read, or two cards were in the field"
        action     "提示重新挥卡，一笔最多5次" "asks for the card again, up to 5 times in one payment"
        remedy     "请勿过早移开卡；只放一张卡，听到提示再移开" "hold one card still until the signal"
        cashier    "请顾客只拿出一张卡，放稳到提示音" "ask the customer for one card, held still until the signal"
        technician "多次发生时检查天线位置和读卡器" "if it happens often, check where the antenna sits, and the reader"
        customer   Text::new("请只放一张卡，听到提示再移开", "hold one card still until the signal");
}
