"""Large and nasty data sets of Freshchat and Freshdesk, computed from a seed where they are looked at."""

from collections.abc import Callable

from sandbox.dataset.chats import Chats
from sandbox.dataset.contacts import Contacts
from sandbox.dataset.conversations import Conversations
from sandbox.dataset.desk import Desk
from sandbox.dataset.files import Files
from sandbox.dataset.links import Links
from sandbox.dataset.messages import Messages
from sandbox.dataset.plan import Plan, Shape
from sandbox.dataset.replies import Replies
from sandbox.dataset.tickets import Tickets
from sandbox.dataset.users import Users
from sandbox.s3 import S3Links
from sandbox.world import build_world

__all__ = ["Dataset", "Shape"]


class Dataset:
    """One data set; `chats` and `desk` are what the played services read."""

    def __init__(self, shape: Shape, links: S3Links, origin: Callable[[], str], linked: bool = True) -> None:
        """Links lead to the host of files; without `linked` no ticket came from a chat."""
        self.plan = plan = Plan(shape)
        self.world = build_world(seed=shape.seed)
        self.files = Files(plan.seeded, links)
        self.links = Links(plan, linked)
        self.users = Users(plan)
        self.conversations = Conversations(plan, self.users, self.links, self.world)
        self.messages = Messages(plan, self.users, self.conversations, self.links, self.files, self.world)
        self.contacts = Contacts(plan, self.users, self.files)
        self.tickets = Tickets(plan, self.links, self.contacts, self.files, self.conversations.id)
        self.replies = Replies(plan, self.tickets, self.contacts, self.files, origin)
        self.chats = Chats(plan, self.users, self.conversations, self.messages)
        self.desk = Desk(plan, self.tickets, self.replies, self.contacts, self.files)
