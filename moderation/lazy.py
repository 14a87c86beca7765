"""Values that are made when they are first asked for, once, however many threads ask."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Lazy(Generic[T]):
    """A property that is remembered in its object, whose ``lock`` is held while it is made.

    functools.cached_property has one lock for all objects in Python 3.11, so that whoever needs
    the value of a short text waits for that of a long one; and later none, so that several
    threads make the same value.
    """

    def __init__(self, make: Callable[[Any], T]):
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: Any, owner: type) -> Self | T:
        """Return the value; once it is there, the object's own attribute stands before this."""
        if instance is None:
            return self
        with instance.lock:
            if self._name not in instance.__dict__:
                instance.__dict__[self._name] = self._make(instance)
            value: T = instance.__dict__[self._name]
            return value
