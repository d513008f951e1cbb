//! K: master key, working keys, MAC and PIN block.

use super::{CARD_NOT_NOW, WAIT, entries};
use crate::diagnose::text::Text;

entries! {
    K01 0x99695fbb825544bf983ef38891a2ff61 Nobody
        title      "MAC校验错" "a message's MAC is wrong"
        evidence   "应答码A0，或应答的MAC不对" "response A0, or the answer's MAC is wrong"
        action     "该应答不予采信并冲正；重新签到一次，再错则停止（K05）" "the answer is not believed and the payment reversed; signs in once, the second time it stops (K05)"
        remedy     "通常无需处理；停止后核对密钥，再运行 posctl sign-in" "nothing as a rule; once stopped, check the keys, then posctl sign-in"
        cashier    "终端正在重新签到，请稍候再试" "the terminal signs in again; try again in a moment"
        technician "核对 mac.method、keys.mak 和主密钥校验值" "check mac.method, keys.mak and the master key's check value"
        customer   WAIT;

    K02 0x71397cd37bb54acbaa7aae79175a5ffd Nobody
        title      "PIN格式错" "the host refused the PIN block"
        evidence   "应答码99" "response 99"
        action     "该笔拒绝，重新签到一次；再错则停止（K05）" "the payment is declined; signs in once, the second time it stops (K05)"
        remedy     "请顾客再付一次并重新输密码" "let the customer pay again and enter the PIN again"
        cashier    "请重新收款，顾客重新输密码" "take the payment again; the customer enters the PIN again"
        technician "核对 pin.format 和主密钥下的PIN密钥" "check pin.format and the PIN key under the master key"
        customer   Text::new("请再付一次并重新输入密码", "please pay again and enter your PIN again");

    K03 0x5ea1bc72c6b2446d9256ba682340d5e8 Technician
        title      "工作密钥校验失败（主密钥可能错误）" "a working key's check value is wrong: the master key may be another"
        evidence   "签到下发的密钥与其校验值不符" "a key that came with the sign-in does not match its check value"
        action     "一个都不装；再试一次，连续两次即停止" "installs none of them; tries once more and stops after two"
        remedy     "与收单机构核对主密钥校验值，错了就重新灌装" "compare the master key's check value with the acquirer's, and load it again if it differs"
        cashier    "请叫技术人员" "call the technician"
        technician "posctl keys status 看校验值；重新灌装两个分量" "posctl keys status shows the check value; load both components again"
        customer   CARD_NOT_NOW;

    K04 0x365e595f28f1473e863c305e86b564e2 Technician
        title      "主密钥未灌装" "there is no master key"
        evidence   "没有存储主密钥" "no master key is stored"
        action     "不签到，等待灌装" "does not sign in; waits until one is loaded"
        remedy     "联系收单机构取密钥；两人分别运行 posctl keys load --component 1 和 2" "get it from the acquirer; two people run: posctl keys load --component 1 (then 2)"
        cashier    "这台终端还没有密钥，请叫技术人员" "this terminal has no key yet; call the technician"
        technician "两名保管人各持一个分量，在键盘或终端上输入" "two custodians, one component each, at the keypad or on a terminal"
        customer   CARD_NOT_NOW;

    K05 0xbbd5eb98d0e54fb09ecfa91be70c4256 Technician
        title      "密钥参数设置错误" "the key rules of the profile are wrong"
        evidence   "密钥块长度未知，或MAC、PIN在重新签到后仍被拒" "an unknown key-block length, or MAC or PIN refused again right after a good sign-in"
        action     "停止签到；证据里写明该改的设置" "stops signing in; the evidence names the setting"
        remedy     "按证据改收单配置，再运行 posctl config check 和 posctl sign-in" "correct the profile as the evidence says, then posctl config check and posctl sign-in"
        cashier    "请叫技术人员" "call the technician"
        technician "与收单机构核对 mac.method、keys.mak、keys.block 和 pin.format" "compare mac.method, keys.mak, keys.block and pin.format with the acquirer's"
        customer   CARD_NOT_NOW;

    K06 0xe56598d53e8d4fd993ae520fbdb56367 Nobody
        title      "密钥过期" "the keys are older than allowed"
        evidence   "工作密钥的年龄超过规定，或手头没有可用的工作密钥" "the working keys are older than policy, or there are none to use"
        action     "在下一个空闲时刻自动签到" "signs in at the next idle moment"
        remedy     "无需处理；急用时运行 posctl sign-in" "nothing to do; in a hurry: posctl sign-in"
        cashier    "终端正在更新密钥，请稍候" "the terminal renews its keys; wait a moment"
        technician "有效期见收单配置 keys.max_age" "the age is keys.max_age of the acquirer profile"
        customer   WAIT;
}
