"""A test component that speaks AMQP 1.0 as Azure Service Bus does, so that unmodified clients work against it.

Queues with and without message sessions, in memory, in pure Python. Shares no code with any client it checks. Not
here: topics, transactions, partitions, the HTTP administration API.
"""

from .faults import Fault
from .peer import ServiceBusPeer

__all__ = ["Fault", "ServiceBusPeer"]
