"""SIPp scenarios as short lists of steps, written out as SIPp's XML."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

TAG = "[pid]SIPpTag01[call_number]"
_URI = "<sip:sipp@[local_ip]:[local_port];transport=[transport]>"


def description(direction: str = "sendrecv", *, version: int = 1, address: str = "[media_ip]") -> str:
    """PCMU at SIPp's media port."""
    return f"""v=0
o=- 53655765 {version} IN IP4 [local_ip]
s=-
c=IN IP4 {address}
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a={direction}"""


class Scenario:
    """One side of a call. Every method is one step and returns the scenario itself."""

    def __init__(self, name: str, *, strict: bool = False) -> None:
        """``strict``: a response must be of the last request; without it SIPp looks at the status alone."""
        self.name = name
        self._strict = strict
        self._last = ""
        self._steps: list[str] = []
        self._names: list[str] = []
        self._called = False
        self._invite = 0  # the step that sent it last

    # --- what comes

    def invited(self, **checks: str) -> Scenario:
        """The INVITE of a call to SIPp; see `keeps`."""
        self._called = True
        return self.keeps(**checks)

    def keeps(self, **checks: str) -> Scenario:
        """An INVITE; its lines are kept, so that a response may follow later, by `replies`."""
        kept = {"via": "Via", "from": "From", "to": "To", "cseq": "CSeq"}
        actions = [
            f'<ereg regexp=".*" search_in="hdr" header="{header}:" check_it="true" assign_to="{name}"/>'
            for name, header in kept.items()
        ]
        actions.append('<ereg regexp=".*" search_in="hdr" header="Via:" occurrence="2" assign_to="beyond"/>')
        self._names += [name for name in (*kept, "beyond") if name not in self._names]
        return self._recv('request="INVITE" rrs="true"', checks, actions)

    def verified(self, username: str, password: str) -> Scenario:
        """An INVITE with credentials, which SIPp checks; the call fails here with wrong ones."""
        check = f'<verifyauth assign_to="right" username="{username}" password="{password}"/>'
        self._names.append("right")
        self._recv('request="INVITE" rrs="true"', {}, [check])
        self._steps += ['<nop test="right" next="1"/>', '<recv request="NEVER" timeout="1"/>', '<label id="1"/>']
        return self

    def takes(self, what: str | int, *, rrs: bool = False, optional: bool = False, **checks: str) -> Scenario:
        """A request by its method, or a response by its status; header=regular expression for each that must match.

        ``body`` stands for the whole body.
        """
        if isinstance(what, str):
            options = f'request="{what}"'
        else:
            options = f'response="{what}"' + f' response_txn="{self._last}"' * self._strict
        options += ' rrs="true"' * rrs + ' optional="true"' * optional
        return self._recv(options, checks, [])

    def _recv(self, options: str, checks: dict[str, str], actions: list[str]) -> Scenario:
        for header, pattern in checks.items():
            name = f"check{len(self._names)}"
            self._names.append(name)
            line = header.replace("_", "-") + ":"
            where = 'search_in="body"' if header == "body" else f'search_in="hdr" header="{line}"'
            actions.append(f'<ereg regexp={quoteattr(pattern)} {where} check_it="true" assign_to="{name}"/>')
        inside = "".join(f"\n      {action}" for action in actions)
        rest = f">\n    <action>{inside}\n    </action>\n  </recv>" if actions else "/>"
        self._steps.append(f"<recv {options}{rest}")
        return self

    # --- what goes

    def invite(self, body: str = "", *, number: int = 1, headers: tuple[str, ...] = ()) -> Scenario:
        """The first INVITE of a call of ours."""
        self._invite = len(self._steps)
        return self.sends("INVITE", number, body or description(), within=False, headers=headers)

    def sends(
        self, method: str, number: int, body: str = "", *, within: bool = True, headers: tuple[str, ...] = ()
    ) -> Scenario:
        """A request, within the dialog or before there is one; not an ACK of a refusal."""
        target = "[next_url]" if within else "sip:service@[target]"
        ours, theirs = f"{_URI};tag={TAG}", "<sip:service@[target]>" + "[peer_tag_param]" * within
        if self._called:
            ours, theirs = f"<sip:service@[local_ip]:[local_port]>;tag={TAG}", "[$from]"
        lines = [
            f"{method} {target} SIP/2.0",
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
            *(["[routes]"] if within else []),
            "Max-Forwards: 70",
            f"From: {ours}",
            f"To: {theirs}",
            "Call-ID: [call_id]",
            f"CSeq: {number} {method}",
            f"Contact: {_URI}",
            *headers,
        ]
        return self._send(lines, body, retrans=method != "ACK")

    def follows(self, method: str, number: int) -> Scenario:
        """A CANCEL of our INVITE, or the ACK of its refusal: both belong to its branch (RFC 3261 §9.1, §17.1.1.3)."""
        to = "To: <sip:service@[target]>" if method == "CANCEL" else "[last_To:]"
        branch = f"[branch-{len(self._steps) - self._invite}]"
        via = f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}"
        lines = [
            f"{method} sip:service@[target] SIP/2.0",
            via,
            "Max-Forwards: 70",
            f"From: {_URI};tag={TAG}",
            to,
            "Call-ID: [call_id]",
            f"CSeq: {number} {method}",
        ]
        return self._send(lines, "", retrans=method != "ACK")

    def refuses_ack(self, number: int) -> Scenario:
        """The ACK of a refusal to a re-INVITE of ours."""
        lines = ["ACK [next_url] SIP/2.0", "[last_Via:]", "Max-Forwards: 70", "[last_From:]", "[last_To:]"]
        return self._send([*lines, "Call-ID: [call_id]", f"CSeq: {number} ACK"], "", retrans=False)

    def answers(
        self, status: int, body: str = "", *, tag: str = "", headers: tuple[str, ...] = (), retrans: bool = False
    ) -> Scenario:
        """A response to the last request that came; ``tag`` for one that had none in To."""
        lines = [f"SIP/2.0 {status} Said So", "[last_Via:]", "[last_Record-Route:]", "[last_From:]"]
        lines.append(f"[last_To:];tag={tag}" if tag else "[last_To:]")
        lines += ["[last_Call-ID:]", "[last_CSeq:]", f"Contact: {_URI}", *headers]
        return self._send(lines, body, retrans=retrans)

    def replies(
        self,
        status: int,
        body: str = "",
        *,
        tag: str = TAG,
        headers: tuple[str, ...] = (),
        retrans: bool = False,
        through_proxy: bool = False,
    ) -> Scenario:
        """A response to the INVITE that was kept, however much has come since; ``tag`` "" for a re-INVITE."""
        lines = [
            f"SIP/2.0 {status} Said So",
            "Via:[$via]",
            *(["Via:[$beyond]"] if through_proxy else []),
            "From:[$from]",
        ]
        lines += [f"To:[$to];tag={tag}" if tag else "To:[$to]", "Call-ID: [call_id]", "CSeq:[$cseq]"]
        return self._send([*lines, f"Contact: {_URI}", *headers], body, retrans=retrans)

    def pause(self, milliseconds: int) -> Scenario:
        self._steps.append(f'<pause milliseconds="{milliseconds}"/>')
        return self

    def lingers(self, milliseconds: int) -> Scenario:
        """Answers repeated requests for that long after its end."""
        self._steps.append(f'<timewait milliseconds="{milliseconds}"/>')
        return self

    def _send(self, lines: list[str], body: str, *, retrans: bool) -> Scenario:
        if body and not any(line.startswith("Content-Type:") for line in lines):
            lines = [*lines, "Content-Type: application/sdp"]
        text = "\n".join([*lines, "Content-Length: [len]", "", *body.splitlines(), ""])
        options = ' retrans="500"' * retrans
        if self._strict and lines[0].endswith(" SIP/2.0"):
            kind = "ack_txn" if lines[0].startswith("ACK") else "start_txn"
            self._last = self._last if kind == "ack_txn" else lines[0].partition(" ")[0]
            options += f' {kind}="{self._last}"'
        self._steps.append(f"<send{options}>\n<![CDATA[\n{text}\n]]>\n  </send>")
        return self

    # --- the whole

    def write(self, folder: Path) -> Path:
        reference = f'\n  <Reference variables="{",".join(self._names)}"/>' if self._names else ""
        steps = "\n  ".join(self._steps)
        path = folder / f"{self.name}.xml"
        path.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
            f'<scenario name="{self.name}">\n  {steps}{reference}\n</scenario>\n'
        )
        return path
