"""Event services: the protocol they share, and the one that needs no server."""

from evanalytics.service.client import EventServiceClient, PublishResult, Subscription
from evanalytics.service.embedded import EmbeddedEventService

__all__ = ["EmbeddedEventService", "EventServiceClient", "PublishResult", "Subscription"]
