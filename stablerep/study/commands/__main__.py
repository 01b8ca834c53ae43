from stablerep.study.commands.main import main

main()
