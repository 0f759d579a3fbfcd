"""The simulated unit by itself: its frames byte by byte, its line, its days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from rct_collector.drivers.tools import Access, Cut
from rct_collector.drivers.voltronic.simulator import (
    SCENARIOS,
    VoltronicLine,
    VoltronicUnit,
    VoltronicWitness,
    framing,
)
from rct_collector.drivers.voltronic.simulator.answer import FieldForm, blanks
from rct_collector.drivers.voltronic.simulator.framing import Spelling
from rct_collector.drivers.voltronic.simulator.profiles import PROFILES, faults

NAK = b"(NAK\x73\x73\r"
NO = b"^0\x1b\xe3\r"


def asked(text: str) -> bytes:
    return framing.frame(text)


class Talk:
    """A client of a simulated line that waits for what comes."""

    def __init__(self, scenario="sbu", profiles=(), *, unit=None, **more):
        self.witness = VoltronicWitness()
        self.unit = unit or VoltronicUnit(scenario, start=1_782_036_000.0, seed=3)
        self.line = VoltronicLine(self.unit, faults=profiles, witness=self.witness, **more)
        self.client = self.line.connect()
        self.now = 100.0
        self.pieces = []

    def ask(self, data: bytes, wait: float = 20.0) -> bytes:
        """Send something; what has come within so many seconds."""
        self.line.receive(self.client, data, self.now)
        return self.wait(wait)

    def wait(self, seconds: float) -> bytes:
        until, found = self.now + seconds, b""
        while (due := self.line.next_due()) is not None and due <= until:
            for piece in self.line.pull(due):
                self.pieces.append((due, piece))
                found += piece
        self.now = until
        return found

    def say(self, text: str) -> str:
        """Ask; the text of the answer, which must be whole."""
        answer = self.ask(asked(text))
        assert answer.endswith(b"\r")
        assert framing.checked(answer[:-1]) is not None, answer
        return answer[:-3].decode()


# -- frames ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("QPI", "515049beac0d"),
        ("QGMN", "51474d4e49290d"),  # 49 28: a parenthesis
        ("QBOOT", "51424f4f540b880d"),  # 0A 88: a line feed
        ("QED20240615", "514544323032343036313501900d"),  # 00 90: a zero
        ("POP02", "504f503032e20b0d"),
        ("^S007POP1", "5e53303037504f50310e100d"),  # 0D 10: a carriage return
        ("^P005GS", "5e50303035475358140d"),
    ],
)
def test_checksums_are_those_of_the_papers(text, sent):
    assert framing.frame(text).hex() == sent


def test_a_checksum_can_be_spelt_in_three_ways():
    assert framing.crc(b"123456789") == 0x31C3
    data = b"QED20240615"
    assert framing.check_bytes(data, Spelling.PLAIN) == b"\0\x90"
    assert framing.check_bytes(data, Spelling.THREE) == b"\0\x90"
    assert framing.check_bytes(data, Spelling.FOUR) == b"\1\x90"
    for spelling in Spelling:
        assert framing.checked(data + framing.check_bytes(data, spelling)) == data.decode()
    assert framing.checked(data + b"\2\x90") is None


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("515049beac0d", "285049333 09a0b0d"),
        ("514d4f4449c10d", "2842e7c90d"),
        ("51 50 49 0d", "284e414b73730d"),  # without its checksum: the question of PI16
        ("5e503030355049718b0d", "284e414b73730d"),  # that of PI18
        ("515049bead0d", "284e414b73730d"),  # damaged
    ],
)
def test_bytes_are_answered_with_bytes(line, answer):
    assert Talk().ask(bytes.fromhex(line)) == bytes.fromhex(answer.replace(" ", ""))


SHAPES = {
    "sbu": {
        "QPI": r"\(PI30",
        "QID": r"\(92\d{12}",
        "QSID": r"\(1492\d{12}5{6}",
        "QVFW": r"\(VERFW:\d{5}\.\d\d",
        "QMOD": r"\([LBSF]",
        "QPIGS": r"\((\S+ ){16}[01]{8} \d\d \d\d \d{5} [01]{3} \d \d\d \d{4}",
        "QPIGS2": r"\(\d\d\.\d \d{3}\.\d \d{5} ",
        "QPIRI": r"\((\S+ ){27}\S+",
        "QFLAG": r"\(E[a-z]*D[a-z]*",
        "QPIWS": r"\([01]{32}\d\d[01]{2}",
        "QPGS0": r"\(1 \d{14} [LBSF] \d\d (\S+ ){24}\S+",
        "QET": r"\(\d{6}00",
        "QED20260621": r"\(\d{8}",
        "QT": r"\(\d{14}",
        "QBEQI": r"\((\S+ ){9}\S+",
        "QDI": r"\((\S+ ){25}\S+",
        "QMCHGCR": r"\((\d{3} )+\d{3}",
    },
    "small": {
        "QPIGS": r"\((\S+ ){12}\d{4} (\S+ ){3}[01]{8} \d\d \d\d \d{5} [01]{3}",
        "QPIRI": r"\((\S+ ){24}\S+",
        "QPIWS": r"\([01]{32}",
        "QPGS1": r"\(0 0{14} .*",
    },
}
UNKNOWN = {
    "sbu": ["QPGS1", "QED20260231", "QEM202613", "QX", "QALL", "QPGSx", "QP2GS0"],
    "small": ["QPIGS2", "QET", "QSID", "QT", "QED20260621"],
}


@pytest.mark.parametrize(
    ("scenario", "command", "shape"),
    [(name, *row) for name, rows in SHAPES.items() for row in rows.items()],
)
def test_answers_have_the_shapes_of_the_papers(scenario, command, shape):
    talk = Talk(scenario)
    assert re.fullmatch(shape, talk.say(command))
    assert talk.line.observed.refused == 0


@pytest.mark.parametrize(
    ("scenario", "command"), [(name, row) for name, rows in UNKNOWN.items() for row in rows]
)
def test_what_a_dialect_does_not_know_is_refused(scenario, command):
    talk = Talk(scenario)
    assert talk.ask(asked(command)) == NAK
    assert talk.line.observed.refused == 1


OTHERS = {
    "pi41": {
        "QID": r"\(92\d{12}",
        "QPIGS": r"\((\S+ ){16}[01]{8} \d\d \d\d \d{5} [01]{3}",
        "QPIGS2": r"\((\S+ ){10}[01]{8}",
        "QPIRI": r"\((\S+ ){25}\S+",
        "QP2GS0": r"\(11 \d{14} [LBSF] \d\d (\S+ ){12}[01]{8}",
    },
    "pi18": {
        "^P005PI": r"\^D00518",
        "^P005GS": r"\^D106(\d{3,4},){20}[01],[012],[012],[01],[012],[012],[012],0",
        "^P006MOD": r"\^D0050[1345]",
        "^P007PIRI": r"\^D088(\d+,){25}00",
        "^P005FWS": r"\^D03900(,[01]){17}",
        "^P007FLAG": r"\^D020[01](,[01]){8}",
        "^P005ET": r"\^D011\d{8}",
        "^P009EY2026": r"\^D011\d{8}",
        "^P011EM202606": r"\^D011\d{8}",
        "^P013ED20260621": r"\^D011\d{8}",
        "^P004T": r"\^D017\d{14}",
        "^P005ID": r"\^D0251492\d{12}0{6}",
        "^P007PGS0": r"\^D1131,[0-5],00,(\d+,){25}\d{3}",
    },
    "pi17": {
        "^P003PI": r"\^D00517",
        "^P003GS": r"\^D\d{3}(\d{4},){5}\d{3},[+-]\d{5},(\d{4},){14}(\d{3},){3}[01]",
        "^P003PS": r"\^D\d{3}(\d{5},){2}([+-]\d{5},){5}(\d{5},){8}\d{3}(,[012]){6}",
        "^P003WS": r"\^D046[01](,[01]){21}",
        "^P003ET": r"\^D011\d{8}",
        "^P014ED20260621095": r"\^D011\d{8}",
    },
    "pi16": {
        "QPI": r"\(PI16",
        "QPIGS": r"\((\S+ ){12}---\.- (\S+ ){8}[BL]---[01]{6}",
        "QED20260621109": r"\(\d{8}",
    },
    "pi30revo": {
        "QPI": r"\(PI30",
        "QPIGS": r"\((\S+ ){4}0000 (\S+ ){11}[01]{8} 00 00 00000 [01]{3}",
        "QALL": r"\((\S+ ){15}[BL] 00 00",
    },
}
FRAMED = {
    "pi17": lambda text: text.encode() + b"\r",
    "pi16": lambda text: text.encode() + b"\r",
    "pi30revo": lambda text: b"QALL\x2b\r" if text == "QALL" else asked(text),
}


def of_dialect(dialect):
    scenario = SCENARIOS["sbu"].changed(dialect, None)
    return Talk(unit=VoltronicUnit(scenario, seed=3))


@pytest.mark.parametrize(
    ("dialect", "command", "shape"),
    [(name, *row) for name, rows in OTHERS.items() for row in rows.items()],
)
def test_other_dialects_have_shapes_and_framing_of_their_own(dialect, command, shape):
    talk = of_dialect(dialect)
    answer = talk.ask(FRAMED.get(dialect, asked)(command))
    assert answer[-1:] == (b"\n" if command == "QALL" else b"\r")
    text = framing.checked(answer[:-1])
    assert re.fullmatch(shape, text), text
    assert talk.line.observed.refused == 0
    if text.startswith("^D"):
        assert int(text[2:5]) == len(answer) - 5


@pytest.mark.parametrize(
    ("dialect", "command", "refusal"),
    [
        ("pi41", asked("QPI"), NAK),
        ("pi18", asked("QPI"), NO),
        ("pi18", b"^P003PI\r", NO),
        ("pi18", b"^P005PI\r", NO),
        ("pi18", asked("^P006PI"), NO),
        ("pi18", asked("^P006FWS"), NO),
        ("pi18", asked("^S006POP1"), NO),
        ("pi18", asked("POP02"), NO),
        ("pi17", asked("^S007POP1"), NO),
        ("pi30", asked("^S007POP1"), NAK),
        ("pi30", b"POP02\xe2\n\r", NAK),  # its checksum is not escaped
        ("pi17", asked("QPI"), NO),
        ("pi17", asked("^P005PI"), NO),
        ("pi17", b"^P014ED20260621143\r", NO),
        ("pi16", asked("QPI"), NAK),
        ("pi16", b"QED20260621\r", NAK),
        ("pi16", b"QED20260621107\r", NAK),
        ("pi30revo", asked("QALL"), NAK),
        ("pi30revo", b"QALL\x2c\r", NAK),
    ],
)
def test_what_is_framed_for_another_dialect_is_refused(dialect, command, refusal):
    talk = of_dialect(dialect)
    assert talk.ask(command) == refusal
    assert talk.line.observed.refused == 1


def test_a_dialect_or_a_number_of_units_that_cannot_be_is_told():
    with pytest.raises(ValueError, match="no dialect 'pi99'; there are pi30, pi30max"):
        SCENARIOS["sbu"].changed("pi99", None)
    with pytest.raises(ValueError, match="10 units: 1 to 9"):
        SCENARIOS["sbu"].changed(None, 10)
    with pytest.raises(ValueError, match="unit 1 of 1"):
        VoltronicUnit("sbu", number=1)


def test_what_is_said_is_what_is_written():
    """Each field by its name is what stands between the blanks."""
    answer = VoltronicUnit().hear(b"QPIGS\xb7\xa9", 1_782_036_000.0).answer
    said, words = answer.said, answer.text[1:].split()
    assert list(said)[:4] == [
        "grid_voltage",
        "grid_frequency",
        "output_voltage",
        "output_frequency",
    ]
    assert [said["output_active_power"], said["battery_voltage"]] == [
        int(words[5]),
        float(words[8]),
    ]
    assert [said[name] for name in ("load_on", "charging", "scc_charging", "ac_charging")] == [
        digit == "1" for digit in (words[16][3], words[16][5], words[16][6], words[16][7])
    ]


def test_tenths_are_said_as_they_were_rounded():
    class Now:
        volts = 51.27

    answer = blanks(FieldForm("volts", "04d", 10))(Now())
    assert (answer.text, answer.said) == ("(0513", {"volts": 51.3})


# -- manners -----------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["S", "T", "Q", "M"])
def test_letters_that_a_ups_obeys_are_offences(letter):
    talk = Talk()
    assert talk.ask(letter.encode() + b"\r") == NAK
    assert talk.ask(asked(letter)) == NAK
    assert talk.line.observed.offences.total() == 2


@pytest.mark.parametrize(
    "text",
    ["PF", "MCHGC160", "MCHGC065", "MNCHGC1060", "MUCHGC005", "PEq", "F50", "V230", "PCP00",
     "PBT10", "POP03", "POPM00", "PBATCD010", "RTEY", "PBCV4.0", "^S007POP1"],
)  # fmt: skip
def test_settings_that_it_has_not_are_refused_and_counted(text):
    talk = Talk()
    assert talk.ask(asked(text)) == NAK
    assert talk.line.observed.writes == {text: 1}


#: Dialect, what sets something → question, and what its answer holds before and after.
SET = [
    ("pi30max", "POP00", "QPIRI", " 0 2 3 9 01", " 0 0 3 9 01"),
    ("pi30max", "PCP01", "QPIRI", " 0 2 3 9 01", " 0 2 1 9 01"),
    ("pi30max", "PGR01", "QPIRI", " 0 2 3 9 01", " 1 2 3 9 01"),
    ("pi30max", "MUCHGC120", "QPIRI", " 30 080 0", " 120 080 0"),
    ("pi30max", "MCHGC060", "QPIRI", " 30 080 0", " 30 060 0"),
    ("pi30max", "MNCHGC0120", "QPIRI", " 30 080 0", " 30 120 0"),
    ("pi30", "MUCHGC020", "QPIRI", " 30 080 0", " 20 080 0"),
    ("pi30", "PBCV48.0", "QPIRI", " 50.0 46.0 56.4 54.0", " 48.0 46.0 56.4 54.0"),
    ("pi30", "PSDV44.0", "QPIRI", " 50.0 46.0 56.4 54.0", " 50.0 44.0 56.4 54.0"),
    ("pi30", "PCVV57.0", "QPIRI", " 50.0 46.0 56.4 54.0", " 50.0 46.0 57.0 54.0"),
    ("pi30", "PBFT53.1", "QPIRI", " 50.0 46.0 56.4 54.0", " 50.0 46.0 56.4 53.1"),
    ("pi30", "PBDV00.0", "QPIRI", " 53.0 0 1", " 0.0 0 1"),
    ("pi30max", "PCVT015", "QPIRI", " 000 0 000", " 015 0 000"),
    ("pi30max", "POPLG02", "QPIRI", " 000 0 000", " 000 2 000"),
    ("pi30max", "PBATMAXDISC150", "QPIRI", " 000 0 000", " 000 0 150"),
    ("pi30max", "PBEQE1", "QBEQI", "(0 060 030", "(1 060 030"),
    ("pi30max", "PBEQT065", "QBEQI", "(0 060 030", "(0 065 030"),
    ("pi30max", "PBEQV55.40", "QBEQI", " 56.40 ", " 55.40 "),
    ("pi30", "PDa", "QFLAG", "(EakxyzDbjuv", "(EkxyzDabjuv"),
    ("pi30max", "PEb", "QFLAG", "(EakxyzDbduv", "(EabkxyzDduv"),
    ("pi18", "^S007POP0", "^P007PIRI", ",0,1,2,9,0", ",0,0,2,9,0"),
    ("pi18", "^S009PCP0,0", "^P007PIRI", ",0,1,2,9,0", ",0,1,0,9,0"),
    ("pi18", "^S014BUCD460,000", "^P007PIRI", ",500,530,460,", ",460,000,460,"),
    ("pi18", "^S015MCHGV570,545", "^P007PIRI", ",564,540,", ",570,545,"),
    ("pi18", "^S006PDA", "^P007FLAG", "1,0,1,0", "0,0,1,0"),
]


@pytest.mark.parametrize(("dialect", "text", "question", "before", "after"), SET)
def test_what_was_set_shows_some_time_later(dialect, text, question, before, after):
    talk = of_dialect(dialect)
    assert before in talk.say(question)
    assert talk.ask(asked(text), wait=0.2) == (
        b"^1\x0b\xc2\r" if dialect == "pi18" else b"(ACK9 \r"
    )
    assert before in talk.say(question)
    talk.wait(2.0)
    assert after in talk.say(question)
    assert talk.line.observed.writes.total() == 1


def test_digits_of_a_current_mean_what_they_do_on_the_model():
    """120 A on a MAX, 20 A for unit 1 on others, where there is none."""
    assert of_dialect("pi30").ask(asked("MUCHGC120")) == NAK
    assert of_dialect("pi30max").ask(asked("MUCHGC120")) == b"(ACK9 \r"


def test_another_unit_of_a_system_is_set_by_its_number():
    talk = Talk(unit=VoltronicUnit("parallel", start=1_782_036_000.0, seed=3))
    before = talk.say("QPGS1").split(" ")[21]
    assert talk.ask(asked("PPCP101")) == b"(ACK9 \r"
    assert (before, talk.say("QPGS1").split(" ")[21]) == ("3", "1")
    assert talk.ask(asked("PPCP401")) == NAK


@pytest.mark.parametrize(
    ("profile", "answer", "shows"), [("set-unheard", b"", "0"), ("set-refused", NAK, "2")]
)
def test_settings_go_wrong(profile, answer, shows):
    talk = Talk(profiles=faults([profile]))
    assert talk.ask(asked("POP00")) == answer
    assert talk.say("QPIRI").split(" ")[16] == shows
    assert talk.say("QMOD").startswith("(")


def test_questions_are_no_settings():
    talk = Talk()
    for command in (*SHAPES["sbu"], *UNKNOWN["sbu"], "QLED", "^P005PI", "^P003PI"):
        talk.ask(asked(command))
    assert not talk.line.observed.writes
    assert not talk.line.observed.offences


@pytest.mark.parametrize("dialect", sorted(OTHERS))
def test_questions_of_no_dialect_are_settings(dialect):
    talk = of_dialect(dialect)
    for command in OTHERS[dialect]:
        talk.ask(FRAMED.get(dialect, asked)(command))
    assert not talk.line.observed.writes
    assert not talk.line.observed.offences


# -- the line ----------------------------------------------------------------------------------


def test_an_answer_leaves_at_2400_baud_in_pieces_of_eight_bytes():
    talk = Talk("small", latency=(0.05, 0.05))
    answer = talk.ask(asked("QPIGS"))
    times = [at for at, _ in talk.pieces]
    assert {len(piece) for _, piece in talk.pieces[:-1]} == {8}
    begins = 100.0 + 8 / 240 + 0.05  # request on the line, latency
    assert times[0] == pytest.approx(begins + 8 / 240)
    assert times[-1] == pytest.approx(begins + len(answer) / 240)


def test_requests_are_answered_one_after_the_other():
    talk = Talk()
    talk.line.receive(talk.client, asked("QMOD") + asked("QPI"), talk.now)
    assert talk.wait(5.0) == b"(B\xe7\xc9\r(PI30\x9a\x0b\r"
    assert talk.line.observed.most_outstanding == 2


def test_a_request_may_come_in_pieces_with_the_padding_of_reports():
    talk = Talk()
    assert talk.ask(b"QPIGS2\x68") == b""
    assert talk.ask(b"\x2d\r\0\0\0\0\0\0").startswith(b"(")
    assert talk.line.observed.requests == {"QPIGS2": 1}


def test_the_witness_knows_what_was_said_to_what_and_when():
    talk = Talk()
    answer = talk.say("QPIGS")
    (sent,) = talk.witness.of("QPIGS")
    assert sent.reply.answer.text == answer
    assert sent.at == talk.pieces[-1][0]
    assert sent.reply.asked == pytest.approx(100.0 + 8 / 240)


def test_a_line_that_is_made_again_says_the_same():
    one, other = (Talk(profiles=faults(["harsh"], 5)) for _ in range(2))
    questions = ["QPIGS", "QMOD", "QPIWS", "QPIGS2"] * 10
    assert [one.ask(asked(q)) for q in questions] == [other.ask(asked(q)) for q in questions]


# -- parallel units ----------------------------------------------------------------------------


def test_any_unit_of_a_system_tells_of_all_and_each_of_itself():
    units = [VoltronicUnit("parallel", number=number, seed=3) for number in range(3)]
    talks = [Talk(unit=unit) for unit in units]
    for number, unit in enumerate(units):
        seen = {talk.say(f"QPGS{number}").split()[1] for talk in talks}
        assert seen == {unit.serial} == {talks[number].say("QID")[1:]}
    assert talks[0].ask(asked("QPGS3")) == NAK
    loads = [int(talk.say("QPIGS").split()[5]) for talk in talks]
    total = int(talks[0].say("QPGS0").split()[17])
    assert sum(loads) == pytest.approx(total, rel=0.1)


# -- days --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "modes"),
    [("sbu", "BL"), ("island", "BS"), ("solar-first", "BL"), ("backup", "BL"), ("ill", "BFL")],
)
def test_a_day_has_the_modes_of_its_installation(scenario, modes):
    unit = VoltronicUnit(scenario, seed=1)
    moments = [unit.moment(unit.start + 300.0 * n) for n in range(288)]
    assert "".join(sorted({moment.mode for moment in moments})) == modes
    assert all(0 <= moment.battery_capacity <= 100 for moment in moments)
    assert all(46.0 < moment.battery_voltage <= 56.4 for moment in moments)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_powers_balance_at_every_moment(scenario):
    """What comes from the battery is what the sun does not give; the mains gives the rest."""
    unit = VoltronicUnit(scenario, seed=2)
    for n in range(288):
        now = unit.world.flows(unit.start + 300.0 * n)
        mains = now.load - now.pv - now.battery
        if now.mode == "L":
            assert mains >= -1.0 or now.pv == pytest.approx(-now.battery, abs=1.0)
        elif now.mode == "B":
            losses = 60.0 * unit.scenario.units + 0.1 * now.load
            assert -losses <= mains <= 60.0


def test_a_day_that_is_ill_warns_of_what_it_has():
    unit = VoltronicUnit("ill", seed=1, start=datetime(2026, 6, 21, tzinfo=UTC).timestamp())
    bits = {bit for n in range(288) for bit in unit.moment(unit.start + 300.0 * n).warnings}
    assert bits >= {0, 1, 5, 9, 10, 16}


def test_energies_add_up_and_go_on_over_midnight():
    unit = VoltronicUnit(seed=4)
    talk = Talk(unit=unit)

    def read(command, at):
        line = asked(command)[:-1]
        return int(unit.hear(line, at).answer.text[1:])

    evening = unit.start + 13.5 * 3600  # half past eleven
    later = evening + 3600
    assert read("QED20260621", evening) == read("QED20260621", later) > 5000
    assert read("QED20260622", evening) == 0 < read("QLD20260622", later)
    assert read("QET", later) >= read("QET", evening) > read("QEY2026", evening)
    month = sum(read(f"QED202605{day:02d}", later) for day in range(1, 32))
    assert 0 <= month - read("QEM202605", later) < 100
    assert talk.say("QED20260701") == "(00000000"


def test_the_clock_of_a_unit_drifts():
    unit = VoltronicUnit(fast=40.0, drift=1e-4)
    for hours in (0, 24, 240):
        at = unit.start + hours * 3600
        shown = unit.moment(at).shown
        ahead = shown - datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
        assert ahead == timedelta(seconds=int(40 + 0.36 * hours))
        assert unit.world.clock.unix(unit.world.clock.at(at)) == pytest.approx(at, abs=0.05)


# -- faults ------------------------------------------------------------------------------------

GOOD = b"(B\xe7\xc9\r"


def answers(profile, count=200):
    """What came to a question that is asked again and again, and whether it counts as good."""
    talk = Talk(profiles=faults([profile], 1), latency=(0.05, 0.05))
    found = []
    for _ in range(count):
        before = talk.witness.good
        found.append((talk.ask(asked("QMOD")), talk.witness.good > before))
    return found, talk


@pytest.mark.parametrize(
    ("profile", "odd"),
    [
        ("lost", lambda data, good: data == b"" and not good),
        ("cut", lambda data, good: GOOD.startswith(data[:-1]) and len(data) < 4 and not good),
        ("doubled", lambda data, good: data == 2 * GOOD and good),
        ("echo", lambda data, good: data == asked("QMOD") + GOOD * good),
        ("bad-crc", lambda data, good: len(data) == 5 and not good and data.endswith(b"\r")),
        ("lf", lambda data, good: data in (GOOD[:-1] + b"\n", GOOD + b"\n") and good),
        ("nak", lambda data, good: data in (NAK, b"(NAK\r")),
    ],
)
def test_a_profile_does_what_it_says(profile, odd):
    found, _ = answers(profile)
    faulty = [item for item in found if item != (GOOD, True)]
    assert len(faulty) > 8
    assert all(odd(*item) for item in faulty)


def test_late_answers_come_in_the_order_of_their_requests():
    talk = Talk(profiles=faults(["late"], 1), latency=(0.05, 0.05))
    waits = []
    for _ in range(300):
        talk.pieces.clear()
        asked_at = talk.now
        assert talk.ask(asked("QMOD")) == GOOD
        waits.append(talk.pieces[-1][0] - asked_at)
    late = [wait for wait in waits if wait > 1.0]
    assert 15 < len(late) < 60
    assert 3.0 < max(late) < 10.0


def test_dashes_are_known_as_unknown():
    talk = Talk(profiles=faults(["dashes"], 1))
    for _ in range(40):
        answer = talk.say("QPIGS")
        said = talk.witness.of("QPIGS")[-1].reply.answer.said
        assert list(said.values()).count(None) == ("-" in answer)
    assert any(None in sent.reply.answer.said.values() for sent in talk.witness.of("QPIGS"))


def test_noise_stands_between_and_within_answers():
    found, talk = answers("noise")
    assert talk.line.observed.bytes_out > 200 * len(GOOD)
    assert {good for _, good in found} == {True, False}


def test_checksums_that_are_not_escaped_are_valid():
    """One answer of some hundred has one that would be."""
    talk = Talk(profiles=faults(["unescaped"]))
    begin = date(2025, 1, 1)
    days = [f"QED{begin + timedelta(days=number):%Y%m%d}" for number in range(500)]

    def is_odd(request):
        answer = talk.unit.hear(asked(request)[:-1], talk.unit.start).answer.text.encode()
        return framing.check_bytes(answer, Spelling.THREE) != framing.check_bytes(
            answer, Spelling.PLAIN
        )

    odd = list(filter(is_odd, days))
    assert len(odd) > 3
    for request in odd:
        answer = talk.ask(asked(request))
        assert answer[-3:-1] == framing.check_bytes(answer[:-3], Spelling.PLAIN)
        assert len(talk.witness.of(request)) == 1
    assert talk.witness.damaged == 0


def test_a_unit_that_is_unplugged_lets_nobody_in_for_a_while():
    talk = Talk(profiles=faults(["unplug"], 1))
    talk.line.start(talk.now)
    states, cuts = [], []
    for _ in range(1800):
        talk.wait(2.0)
        states.append(talk.line.access(talk.now))
        cuts.append(talk.line.take_cut())
    assert 4 < states.count(Access.REFUSED) < 150
    assert cuts.count(Cut.RESET) in (3, 4, 5)


def test_a_unit_is_off_by_night_by_its_own_clock():
    talk = Talk(profiles=faults(["night"]))
    heard = {}
    for n in range(48):
        answer = talk.ask(asked("QMOD"), 1800.0)
        hour = (10.0 + n / 2) % 24  # it begins at ten
        heard[hour] = bool(answer)
    assert {hour for hour, answered in heard.items() if not answered} == {
        *(22.0 + n / 2 for n in range(4)),
        *(n / 2 for n in range(11)),
    }


def test_every_profile_has_a_word_and_a_sentence():
    assert len(PROFILES) >= 13
    for profile in PROFILES.values():
        assert profile.description.endswith(".")
        assert profile.make(1)
