class GcsClientOptions:
    pass
