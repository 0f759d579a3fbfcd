"""The rules about whether a unit can be talked to at all: each way to fail has its verdict."""

from __future__ import annotations

from rct_collector.doctor.findings import Case, Rule, Severity
from rct_collector.doctor.format import always, family_advice
from rct_collector.transport import Address, hosts


def _trouble(kind: str, title: str, meaning: str, advice: str, *, key: str = "") -> Rule:
    """A line that could not be opened."""

    def applies(case: Case) -> bool:
        trouble = case.figures.trouble
        return trouble is not None and trouble.kind == kind

    def measured(case: Case) -> str:
        trouble = case.figures.trouble
        return trouble.text if trouble else ""

    def told(case: Case) -> str:
        return _filled(advice, case.config.address)

    return Rule(key or kind, "contact", applies, Severity.PROBLEM, title, measured, meaning, told)


def _filled(advice: str, address: Address) -> str:
    """Advice about the network names host and port, that about other lines none."""
    host, port = hosts.split(address.place) if address.scheme == "tcp" else ("", 0)
    return advice.format(host=host, port=port)


def _nothing(case: Case) -> bool:
    return case.figures.silent


def _others_speak(case: Case) -> bool:
    return _nothing(case) and bool(case.figures.others.get("answer", 0))


def _is_a_stranger(case: Case) -> bool:
    return _nothing(case) and bool(case.figures.damaged) and not _others_speak(case)


def _is_uncalled(case: Case) -> bool:
    trouble = case.figures.trouble
    return trouble is not None and trouble.kind == "uncalled"


def _call_text(case: Case) -> str:
    trouble, count = case.figures.trouble, sum(case.figures.damaged.values())
    said = trouble.text if trouble else ""
    return f"{said}; {count} times something came that means nothing" if count else said


def _is_unheard(case: Case) -> bool:
    return _nothing(case) and case.figures.talks


def _heard_text(case: Case) -> str:
    figures = case.figures
    return f"{figures.received} bytes in {figures.seconds:.0f} s that mean nothing"


def _asked_in_vain(case: Case) -> str:
    figures = case.figures
    return f"{figures.requests} requests in {figures.seconds:.0f} s, none answered"


def _bytes_heard(case: Case) -> str:
    return f"{_asked_in_vain(case)}; {case.figures.received} bytes came that mean nothing"


CONTACT: tuple[Rule, ...] = (
    _trouble(
        "busy",
        "Another collector on this host holds the device",
        "A device serves one collector at a time, so a second one is not let in. Nothing was sent.",
        "Stop the agent that runs it (systemctl stop telegraf, collectd or rct-collector), examine"
        " the device, and start the agent again. What the running collector measures itself is in"
        " inverter_collector.",
    ),
    _trouble(
        "name",
        "The name cannot be resolved",
        "No name server that this host asks knows the name, or none of them answers.",
        "Check the spelling of {host}, or take the IP address of the inverter, which its app and"
        " your router show; let the router always give it the same one.",
    ),
    _trouble(
        "refused",
        "The connection is refused",
        "Something with this address is up, but nobody listens at that port: it is another"
        " machine, or the inverter's network side is starting, or is switched off for the night.",
        "Check that {host} is the inverter, and that its port is {port}. If it is, try again by"
        " day; if it persists, restart the inverter's network side by taking its power away.",
    ),
    _trouble(
        "timeout",
        "The device does not answer at all",
        "Nobody took the connection. An inverter without battery is off by night; else its"
        " address is another one now, or a firewall is between.",
        "Try ping {host}. By day, check the inverter's cable or Wi-Fi, its address in the router,"
        " and that no firewall drops port {port}.",
    ),
    _trouble(
        "unreachable",
        "There is no way to the device",
        "This host, or a router on the way, knows no way to the address: nobody on that network"
        " has it at present.",
        "Check that {host} is in a network that this host reaches, and that the inverter is on.",
    ),
    _trouble(
        "other",
        "The connection cannot be opened",
        "The operating system says why.",
        "Mend what it says, then examine again.",
        key="open",
    ),
    _trouble(
        "closed",
        "The device takes the connection and closes it at once",
        "Its network side serves only a few clients, and has no place for another one, or it is"
        " starting.",
        "End other connections to the device: the app, other collectors, home automation. Then try"
        " again; if it persists, take the power from the inverter's network side for a moment.",
    ),
    _trouble(
        "unfit",
        "What is there is not what is to be read",
        "What it says tells: by itself, or asked by questions that harm no device.",
        "Name the right device, driver and options; 'rct-collector find --probe' lists what is"
        " connected to this host.",
    ),
    Rule(
        "uncalled", "contact", _is_uncalled, Severity.PROBLEM, "Nobody has called",
        _call_text,
        "The collector listens, and nobody has called who says anything that means anything.",
        family_advice(
            "uncalled",
            "See that the device is set to call this host at that port, and that no firewall keeps"
            " it out: 'sudo tcpdump port' with its number shows whether it calls at all.",
        ),
    ),
    Rule(
        "unheard", "contact", _is_unheard, Severity.PROBLEM, "No unit is heard",
        _heard_text,
        "The line is open, and nothing came over it that such units say.",
        family_advice("unheard", "Check address, cable and baud rate, and that a unit is on."),
    ),
    Rule(
        "deaf", "contact", _others_speak, Severity.PROBLEM,
        "The device answers others, but not us",
        _asked_in_vain,
        "Another client has the line to itself: what we ask is lost before the inverter hears it.",
        always(
            "Stop the other client (app, portal, home automation) and examine again. If nothing"
            " changes, restart the inverter's network side."
        ),
    ),
    Rule(
        "stranger", "contact", _is_a_stranger, Severity.PROBLEM,
        "What answers there is no such device",
        _bytes_heard,
        "Something else listens at this address and port, or the inverter's network side is set"
        " to another baud rate or mode.",
        always("Check address, port and driver."),
    ),
    Rule(
        "silent", "contact", _nothing, Severity.PROBLEM,
        "The device takes the connection, but does not answer",
        _asked_in_vain,
        "The network side is alive and the inverter behind it is not: it sleeps, or is being"
        " updated, or hangs.",
        always(
            "Try again by day and when no update is under way. If it stays silent, end all other"
            " connections and restart the inverter's network side."
        ),
    ),
)  # fmt: skip
