//! B: what the bank's host says, or fails to say.

use super::{CARD_NOT_NOW, WAIT, entries};
use crate::diagnose::text::Text;

entries! {
    B01 0x47c0087ce3ee45eda9315c430b67e98e Nobody
        title      "银行系统故障或日切" "the bank has a fault or changes the day"
        evidence   "应答码90、91、92、96、98等暂时性拒绝" "a temporary refusal, such as response 90, 91, 92, 96 or 98"
        action     "15秒至10分钟后自动重试，间隔随机拉长；允许时转为脱机收款" "tries again by itself after 15 s to 10 min, with jitter; takes payments offline where the acquirer allows it"
        remedy     "几分钟后重试；终端自己会重新签到" "wait some minutes; the terminal signs in again by itself"
        cashier    "银行暂时有问题，不是本店的错；几分钟后再试" "the bank has a problem, it is not the shop's fault; try again in some minutes"
        technician "持续超过一小时再联系收单机构" "call the acquirer only if it lasts more than an hour"
        customer   CARD_NOT_NOW;

    B02 0xe2cb0be04b974d92bb7318abc5cd4a00 Acquirer
        title      "终端未登记" "this terminal is not registered"
        evidence   "应答码97，或主机以不属于今天的理由拒绝终端" "response 97, or a refusal of the terminal that is no fault of today"
        action     "停止签到，不循环重试" "stops signing in; no retry loop"
        remedy     "核对 terminal_id，联系收单机构登记" "check terminal_id and call the acquirer"
        cashier    "请联系收单机构，报上终端号" "call the acquirer and give the terminal number"
        technician "核对 smartposd.toml 的 terminal_id 与收单机构的开通资料" "compare terminal_id in smartposd.toml with the acquirer's papers"
        customer   CARD_NOT_NOW;

    B03 0x550d47f5edca49e7b476881c37b28ec1 Acquirer
        title      "商户无效" "this merchant is not valid"
        evidence   "应答码03，或应答里是别的商户号" "response 03, or an answer for another merchant"
        action     "不重试；签到时则停止签到" "does not try again; at sign-in it stops"
        remedy     "核对 merchant_id，联系收单机构" "check merchant_id and call the acquirer"
        cashier    "请联系收单机构，报上商户号" "call the acquirer and give the merchant number"
        technician "核对 smartposd.toml 的 merchant_id 与收单机构的开通资料" "compare merchant_id in smartposd.toml with the acquirer's papers"
        customer   CARD_NOT_NOW;

    B04 0x3380c8a75ef2417eb803fc522585800d Nobody
        title      "批次号不一致" "the batch number differs"
        evidence   "应答码77" "response 77"
        action     "重新签到一次并采用主机的批次号；再次发生则停止" "signs in once and takes the host's batch; the second time it stops"
        remedy     "通常无需处理；停止后联系收单机构，再运行 posctl sign-in" "nothing as a rule; once stopped, call the acquirer, then posctl sign-in"
        cashier    "终端正在重新签到，请稍候再试" "the terminal signs in again; try again in a moment"
        technician "反复发生时与收单机构核对批次" "if it comes back, compare the batch with the acquirer's"
        customer   WAIT;

    B06 0x5551372bda2f40e58f1952a83799e32e Nobody
        title      "主机超时" "the host did not answer in time"
        evidence   "请求已发出，限时内没有应答" "the request left, and no answer came in time"
        action     "付款先冲正，直到主机确认，再做下一笔；签到自动重试" "reverses the payment until the host acknowledges it, before the next one; sign-in is tried again"
        remedy     "不要重复收款；等待冲正结果，仍不行则联系收单机构" "do not charge twice; wait for the reversal; if it stays so, call the acquirer"
        cashier    "结果未知，正在冲正：显示结果前请勿重复收款" "the result is not known and is being reversed: do not charge again before it is shown"
        technician "看 posctl queue list；核对主机的往返时间和 timers" "posctl queue list; compare the host's round trip with the profile's timers"
        customer   Text::new("结果未知，正在核实；多扣的款会退回", "the result is being checked; nothing will be charged twice");
}
