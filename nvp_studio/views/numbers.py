"""Numbers as a person reads them."""


def short_number(number: int) -> str:
    """123456 as "123 k", 6400000 as "6.4 M"."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)
