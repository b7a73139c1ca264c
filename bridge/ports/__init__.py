"""What the core needs from the outside, in our words: one small Protocol per need, each in a file with its own data.

Every adapter of a port passes the port's suite in `tests/contract/`. All methods are async; all times are epoch
seconds (UTC); `BridgeError`s are in `bridge/errors.py`. An adapter never imports another adapter.
"""

from bridge.ports.directory import Directory
from bridge.ports.files import FilePart, FileSource, HelpdeskFiles
from bridge.ports.helpdesk import ConversationClosed, Helpdesk, NewConversation, Person, ReadBack, Said, Sent
from bridge.ports.objects import Disposition, ObjectRef, ObjectStore
from bridge.ports.portraits import Portrait, PortraitSource
from bridge.ports.queue import (
    DIRECTIONS,
    RECENT,
    DeadLetter,
    Delivery,
    Depth,
    Direction,
    Envelope,
    Failure,
    Queue,
    Session,
    Waiting,
)
from bridge.ports.replies import Card, Member, Picture, Reply, TeamsCards, TeamsReplies
from bridge.ports.scanner import Scanner
from bridge.ports.secrets import SecretSource
from bridge.ports.sentiment import Mood, Sentiment
from bridge.ports.threads import Attempt, FactKind, Link, Step, Thread, ThreadMap

__all__ = [
    "DIRECTIONS",
    "RECENT",
    "Attempt",
    "Card",
    "ConversationClosed",
    "DeadLetter",
    "Delivery",
    "Depth",
    "Direction",
    "Directory",
    "Disposition",
    "Envelope",
    "FactKind",
    "Failure",
    "FilePart",
    "FileSource",
    "Helpdesk",
    "HelpdeskFiles",
    "Link",
    "Member",
    "Mood",
    "NewConversation",
    "ObjectRef",
    "ObjectStore",
    "Person",
    "Picture",
    "Portrait",
    "PortraitSource",
    "Queue",
    "ReadBack",
    "Reply",
    "Said",
    "Scanner",
    "SecretSource",
    "Sent",
    "Sentiment",
    "Session",
    "Step",
    "TeamsCards",
    "TeamsReplies",
    "Thread",
    "ThreadMap",
    "Waiting",
]
