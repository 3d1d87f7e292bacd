class GlobalState:
    pass
