"""Paths that requests have in common."""

V1 = "/render-ws/v1"
OWNER = f"{V1}/owner/{{owner}}"
PROJECT = f"{OWNER}/project/{{project}}"
STACK = f"{PROJECT}/stack/{{stack}}"
LAYER = f"{STACK}/z/{{z:double}}"
TILE = f"{STACK}/tile/{{tile}}"
GROUP = f"{STACK}/group/{{group}}"
AREA = "{x:double},{y:double},{width:int32},{height:int32}"
BOX = f"z/{{z:double}}/box/{AREA},{{scale:double}}"
#: The same box as other services spell it.
DVID_BOX = "dvid/imagetile/raw/xy/{width:int32}_{height:int32}/{x:double}_{y:double}_{z:double}"
